"""Which take of a result is shown: ``anymole take`` and the terminal UI call :func:`choose_take`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.runs.registry import find_run
from engine.runs.workspace import REPORT
from usd_io.errors import shown

if TYPE_CHECKING:
    from usd_io.author.takes import ResultTakes

LARGEST_REPORT = 256 << 20


def choose_take(result: str, number: int | None = None) -> "ResultTakes":
    """Show one of the takes of a result from now on, or say which is shown.

    A resumed run recomputes a result that is not as it was written, and that shows take 1 again.

    Args:
        result: The root stage of a result, the folder of a run, or a run's id.
        number: The take, 1 being the best estimate; None changes nothing.

    Raises:
        ConfigError: No such run is known, or it has no result yet.
        UsdIoError: The result cannot be read or written, or has no such take.
    """
    from usd_io.author.takes import read_takes, select_take

    path = result_of(result)
    return read_takes(path) if number is None else select_take(path, number)


def result_of(name: str) -> str:
    """The root stage of a result, named by itself or by its run."""
    if Path(name).is_file():
        return name
    folder = find_run(name)
    try:
        path = folder / REPORT
        if path.stat().st_size > LARGEST_REPORT:
            raise ValueError(path)
        return str(folder / Path(str(json.loads(path.read_text(encoding="utf-8"))["result"])).name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"run {shown(name)} has no result yet.") from error
