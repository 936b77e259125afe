"""Which take a result shows, as a whole or gap by gap: for ``anymole take`` and the terminal UI."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.files.json_values import read_json
from engine.files.owned_folder import MARK
from engine.runs.artefacts import enter_again, is_intact_with
from engine.runs.registry import LARGEST_REPORT, find_run
from engine.runs.workspace import REPORT, own_run_folder
from usd_io.errors import shown
from usd_io.files import sole_writer

if TYPE_CHECKING:
    from usd_io.author.gaps import ShownGap
    from usd_io.author.takes import ResultTakes


def choose_take(result: str, number: int | None = None) -> "ResultTakes":
    """Show one of the takes of a result from now on, or say which is shown.

    A run that is resumed leaves what is chosen; one that authors again shows take 1 again, and says so.

    Args:
        result: The root stage of a result, the folder of a run, or a run's id.
        number: The take, 1 being the best estimate; None changes nothing.

    Raises:
        ConfigError: No such run is known, or it has no result yet.
        UsdIoError: The result cannot be read or written, or has no such take.
    """
    from usd_io.author.gaps import forget_gaps
    from usd_io.author.takes import read_takes, select_take

    path = result_of(result)
    if number is None:
        return read_takes(path)
    with sole_writer(Path(path).parent), _still_the_runs(Path(path)):
        takes = select_take(path, number)
        forget_gaps(path)
    return takes


def read_gaps(result: str, number: int | None = None) -> "tuple[ShownGap, ...]":
    """The gaps of a result and what each of them shows.

    Args:
        result: As for :func:`choose_take`.
        number: A gap that there has to be, counted from 1.

    Raises:
        ConfigError: There is no such gap.
        ConfigError, UsdIoError: As of :func:`choose_take`.
    """
    from usd_io.author.gaps import read_gaps

    gaps = read_gaps(result_of(result))
    if number is not None:
        _check_number(gaps, result, number)
    return gaps


def choose_gaps(result: str, gaps: "Sequence[ShownGap]") -> "tuple[ShownGap, ...]":
    """Have every gap show what is chosen for it; arguments and errors as of :func:`choose_take`."""
    from usd_io.author.gaps import choose_gaps

    path = result_of(result)
    with sole_writer(Path(path).parent), _still_the_runs(Path(path)):
        return choose_gaps(path, gaps, _claim)


def choose_gap(
    result: str, number: int, take: int | None = None, *, accepted: bool | None = None
) -> "tuple[ShownGap, ...]":
    """Choose for one gap alone.

    Args:
        result: As for :func:`choose_take`.
        number: The gap, counted from 1 over all skeletons.
        take: What it shows, 0 being the source; None: as before.
        accepted: Whether it is said to be good, which takes a rejection back: it shows its first take; None: as before,
            and not where another take is chosen.

    Raises:
        ConfigError: There is no such gap.
        EngineError: A file that no run wrote has the name of the layer that says what is chosen; it stays.
        ConfigError, UsdIoError: As of :func:`choose_take`.
    """
    from usd_io.author.gaps import choose_gaps, read_gaps

    path = result_of(result)
    with (
        sole_writer(Path(path).parent),
        _still_the_runs(Path(path)),
    ):  # others may choose for other gaps meanwhile
        gaps = _chosen(list(read_gaps(path)), result, number, take, accepted)
        return choose_gaps(path, gaps, _claim)


@contextmanager
def _still_the_runs(root: Path) -> Iterator[None]:
    """Let a result that is as its run wrote it count as such with what is chosen in it: resumed, the run keeps it."""
    folder = root.parent
    whole = (folder / MARK).is_file() and is_intact_with(folder, root.name)
    yield
    if whole:
        enter_again(folder, root.name)


def _claim(layer: Path) -> None:
    """Enter the layer of the choice into the list of what is the run's own, where the result lies in its folder."""
    if (layer.parent / MARK).is_file():
        own_run_folder(layer.parent).claim(layer.name)


def _chosen(
    gaps: "list[ShownGap]", result: str, number: int, take: int | None, accepted: bool | None
) -> "list[ShownGap]":
    from usd_io.author.gaps import SOURCE

    _check_number(gaps, result, number)
    before = gaps[number - 1]
    if accepted and take is None and before.take == SOURCE:
        take = 1  # what is rejected shows no take that could be good
    good = accepted if accepted is not None else before.accepted and take in (None, before.take)
    gaps[number - 1] = replace(before, take=before.take if take is None else take, accepted=good)
    return gaps


def _check_number(gaps: "Sequence[ShownGap]", result: str, number: int) -> None:
    if not 1 <= number <= len(gaps):
        raise ConfigError(f"{shown(result)} has no gap {number}: it has {len(gaps)}, counted from 1.")


def result_of(name: str) -> str:
    """The root stage of a result, named by itself or by its run."""
    if os.path.isfile(name):  # noqa: PTH113  # never raises
        return name
    folder = find_run(name)
    try:
        return str(
            Path(os.path.realpath(folder))
            / Path(str(read_json(folder / REPORT, LARGEST_REPORT)["result"])).name
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"run {shown(name)} has no result yet.") from error
