"""``anymole report RUN``, and the report that every run leaves beside its result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import SHOWN_ERRORS, RunCancelled
from engine.files.atomic import write_text
from engine.progress import Progress
from engine.report.contents import gather, read_contents
from engine.report.page import report_page
from engine.runs.registry import find_run
from engine.runs.workspace import SETTINGS

REPORT_PAGE = "report.html"


def page_of(folder: Path) -> str:
    """The report of a run that is done, as HTML.

    Raises:
        ConfigError: It is no run folder or the run has no result.
        UsdIoError: The source or the result cannot be read.
    """
    from usd_io.read.texture import read_texture_bytes

    return report_page(read_contents(folder), read_texture_bytes)


def run_of(name: str) -> Path:
    """The run folder that is meant: by its path, the run's id or the beginning of it, or its result.

    Raises:
        ConfigError: There is none, or several.
    """
    return Path(name).parent if Path(name).is_file() else find_run(name)


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
    path = out or folder / REPORT_PAGE
    write_text(path, page_of(folder), "name another file with --out")
    return path


def try_report(config: RunConfig, result: Mapping[str, Any], folder: Path, progress: Progress) -> str:
    """Write the report beside a result; nothing, with a warning, where that goes wrong: it must cost no one the result.

    Args:
        config: Settings of the run.
        result: What ``report.json`` will hold.
        folder: The run folder.
        progress: Told what went wrong.

    Returns:
        Its path; empty without one.
    """
    from usd_io.read.texture import read_texture_bytes

    try:
        page = report_page(gather(config, result, folder), read_texture_bytes)
        write_text(folder / REPORT_PAGE, page)
        return str(folder / REPORT_PAGE)
    except RunCancelled:
        raise
    except Exception as error:  # of whatever kind: an extra must not cost anyone the result
        reason = str(error) if isinstance(error, SHOWN_ERRORS) else f"{type(error).__name__}: {error}"
        progress.note(f"no report was written: {reason}", level="warning")
        return ""
