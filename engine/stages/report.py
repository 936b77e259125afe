"""Run stage *report*: one HTML file beside the result. An extra: it warns where the other stages fail."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import SHOWN_ERRORS, RunCancelled
from engine.files.atomic import write_text
from engine.planning.source import Source
from engine.report.contents import gather
from engine.report.page import SHEET, VIDEO, report_page
from engine.report.write import REPORT_PAGE
from engine.runs.stage_cache import FileStage, RunContext, StageWork
from engine.settings.file_settings import with_files


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """What decides a report."""

    layers: tuple[str, ...]
    """Hashes of the layers of the stage, and of the truth."""
    pictures: tuple[str, ...]
    """Hashes of the textures."""
    files: tuple[Path, ...]
    """Whose content it tells of or holds: the result's, and those of the preview that are there."""
    result: Mapping[str, Any]
    """What ``report.json`` will hold, files by their names in the run folder."""
    settings: Mapping[str, Any]
    """Of the run, however their paths are spelt."""
    config: RunConfig = field(compare=False)
    stage: Any = field(compare=False)
    """The source, open."""
    truth: Any | None = field(compare=False)
    """A stage with the true motion, open."""
    confirm: Callable[[], None] = field(compare=False)
    """Raises where a file of the source was saved since it was hashed."""


def report_inputs(config: RunConfig, result: Mapping[str, Any], folder: Path, source: Source) -> ReportInputs:
    """What decides the report of a run.

    Args:
        config: Settings of the run.
        result: What ``report.json`` will hold.
        folder: The run folder.
        source: Of the run.
    """
    made = (folder / str(result[name]) for name in ("result", "layer"))
    drawn = (folder / name for name in (VIDEO, SHEET))
    settings = {name: value for name, value in config.to_dict().items() if name != "force"}
    return ReportInputs(
        layers=tuple(source.hashes()),
        pictures=tuple(source.picture_hashes()),
        files=(*made, *(path for path in drawn if path.is_file())),
        result=result,
        settings=with_files(RunConfig, {**settings, "out": os.path.abspath(folder)}, _absolute),  # noqa: PTH100
        config=config,
        stage=source.stage,
        truth=source.truth,
        confirm=source.check_unchanged,
    )


def _absolute(path: str) -> str:
    return os.path.abspath(path) if os.path.exists(path) else path  # noqa: PTH100, PTH110  # else a prim, a view


def try_report(make: Callable[[], ReportInputs], context: RunContext) -> str:
    """Write the report beside a result; nothing, with a warning, where that goes wrong: it must cost no one the result.

    Args:
        make: Gives what decides it.
        context: Of the run.

    Returns:
        Its path; empty without one.
    """
    try:
        (page,) = context.cache.files(FileStage("report", make(), _report, confirmed=True))
    except RunCancelled:
        raise
    except Exception as error:  # of whatever kind: an extra must not cost anyone the result
        reason = str(error) if isinstance(error, SHOWN_ERRORS) else f"{type(error).__name__}: {error}"
        context.progress.note(f"no report was written: {reason}", level="warning")
        return ""
    return str(page)


def _report(inputs: ReportInputs, work: StageWork) -> tuple[Path]:
    from usd_io.read.material import read_texture_bytes

    contents = gather(inputs.config, inputs.result, work.folder, inputs.stage, inputs.truth)
    page = report_page(contents, read_texture_bytes)
    inputs.confirm()  # before an earlier report is replaced: what was read is what was hashed
    path = work.folder / REPORT_PAGE
    work.claim(path)
    write_text(path, page)
    return (path,)
