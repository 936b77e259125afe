"""Run stage *report*: one HTML file beside the result. An extra: it warns where the other stages fail."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import SHOWN_ERRORS, RunCancelled
from engine.files.atomic import write_text
from engine.planning.source import Source
from engine.progress import Progress
from engine.report.contents import gather
from engine.report.page import report_page
from engine.report.write import REPORT_PAGE


def try_report(
    config: RunConfig, result: Mapping[str, Any], folder: Path, source: Source, progress: Progress
) -> str:
    """Write the report beside a result; nothing, with a warning, where that goes wrong: it must cost no one the result.

    Args:
        config: Settings of the run.
        result: What ``report.json`` will hold.
        folder: The run folder.
        source: Of the run.
        progress: Reports what went wrong.

    Returns:
        Its path; empty without one.
    """
    from usd_io.read.material import read_texture_bytes

    try:
        page = report_page(gather(config, result, folder, source.stage, source.truth), read_texture_bytes)
        write_text(folder / REPORT_PAGE, page)
        return str(folder / REPORT_PAGE)
    except RunCancelled:
        raise
    except Exception as error:  # of whatever kind: an extra must not cost anyone the result
        reason = str(error) if isinstance(error, SHOWN_ERRORS) else f"{type(error).__name__}: {error}"
        progress.note(f"no report was written: {reason}", level="warning")
        return ""
