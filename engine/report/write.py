"""``anymole report RUN``, and the report that every run leaves beside its result."""

from pathlib import Path

from engine.errors import ConfigError
from engine.files.atomic import write_text
from engine.report.contents import read_contents
from engine.report.page import report_page
from engine.runs.registry import find_run
from engine.runs.workspace import PAGE, SETTINGS
from usd_io.errors import shown
from usd_io.files import sole_writer

REPORT_PAGE = PAGE


def page_of(folder: Path) -> str:
    """The report of a run that is done, as HTML.

    Raises:
        ConfigError: It is no run folder or the run has no result.
        UsdIoError: The source or the result cannot be read.
    """
    from usd_io.read.material import read_texture_bytes

    return report_page(read_contents(folder), read_texture_bytes)


def run_of(name: str) -> Path:
    """The run folder that is meant: by its path, the run's id or the beginning of it, or its result.

    Raises:
        ConfigError: There is none, or several.
    """
    path = Path(name)
    if not path.is_file():
        return find_run(name)
    if not (path.parent / SETTINGS).is_file():
        raise ConfigError(
            f"{shown(name)} is of no run: there is no {SETTINGS} beside it; name a run or its result."
        )
    return path.parent


def is_sheet(name: str) -> bool:
    """Whether a folder of runs is meant and not one run."""
    return Path(name).is_dir() and not (Path(name) / SETTINGS).is_file()


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a run that is done.

    Args:
        folder: The run folder.
        out: Where to; None: ``report.html`` in the folder.

    Raises:
        As :func:`page_of`; EngineError: It cannot be written.
    """
    path, page = out or folder / REPORT_PAGE, page_of(folder)
    with sole_writer(path.parent):  # a run that begins in the folder sweeps drafts
        write_text(path, page, "name another file")
    return path
