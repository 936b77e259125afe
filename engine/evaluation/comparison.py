"""What the result of a run is compared with: the original, slerp between the same keys, and each of its takes."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import DataError
from engine.files.json_values import from_plain
from engine.inspection.report import inspect
from engine.pipeline import RunResult
from engine.run import run
from engine.runs.registry import result_of
from engine.runs.takes import choose_take, read_gaps
from engine.runs.workspace import REPORT, read_settings
from usd_io.author.gaps import ShownGap
from usd_io.errors import shown


@dataclass(frozen=True)
class Side:
    """One motion to look at."""

    name: str
    stage: str
    """Path of the stage that shows it; empty: it has to be made (:func:`make_slerp`)."""
    take: int = 0
    """Number of the take that is to be shown in all gaps; 0: what the stage shows."""
    note: str = ""
    """What tells it from the others."""


@dataclass(frozen=True)
class RunComparison:
    """A run that is done, with all that can be held against its result."""

    result: RunResult
    sides: tuple[Side, ...]
    """The original, the truth where it is known, slerp, the takes, best first, and what the result shows."""
    active: int
    """The take that the result shows, from 1 on; 0: several skeletons show different ones."""
    time_codes_per_second: float
    gaps: tuple[ShownGap, ...] = ()
    """What every gap of the result shows."""


def read_comparison(folder: Path) -> RunComparison:
    """What there is to compare in the folder of a run.

    Raises:
        DataError: Its report cannot be understood.
        ConfigError: Its settings cannot.
        UsdIoError: The result cannot be opened.
    """
    try:
        result = from_plain(RunResult, result_of(folder, REPORT))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the report of {shown(folder)} cannot be read; continue the run to recompute it."
        ) from error
    result = result.in_folder(os.path.realpath(folder))  # USD joins paths as text
    takes = choose_take(result.result)
    made = [Side(f"take {n}", result.result, n) for n in range(1, takes.count + 1)] if takes.count > 1 else []
    made.append(Side("result", result.result, note="as it is kept"))
    config = read_settings(folder)
    known = any(scores["truth"] for scores in result.scores.values())
    if known and not config.truth:
        original = Side("original", config.stage, note="the true motion")
    else:
        original = Side("original", config.stage, note="its own samples alone")
    truth = [Side("truth", config.truth, note="the true motion")] if config.truth else []
    slerp = Side("slerp", "", note="straight from key to key")
    rate = inspect(result.result).time_codes_per_second
    sides = (original, *truth, slerp, *made)
    return RunComparison(result, sides, takes.active, rate, read_gaps(result.result))


def make_slerp(folder: Path, scratch: Path) -> str:
    """Fill the gaps of a run with slerp, in a folder of its own; returns the stage that shows it.

    Raises:
        EngineError, UsdIoError: As for :func:`engine.run.run`.
    """
    config = read_settings(folder)
    quick = replace(config, out=str(scratch), engine="motion", prior="slerp", takes=1, force=True)
    return run(replace(quick, truth="", preview=False, report=False)).result
