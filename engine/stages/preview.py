"""Run stage *preview*: pictures of the result in the run folder. An extra: it warns where the other stages fail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import SHOWN_ERRORS, RunCancelled
from engine.progress import Progress
from engine.runs.stage_cache import FileStage, RunContext, StageWork
from engine.scene.subject import Subject
from engine.scene.truth import true_motion

PREVIEWS = ("preview.mp4", "preview.png", "preview_plot.png")
"""What it writes."""


@dataclass(frozen=True, eq=False)
class PreviewInputs:
    """What decides the pictures."""

    layers: tuple[str, ...]
    """Hashes of the layers of the stage, and of the truth."""
    pictures: tuple[str, ...]
    """Hashes of the textures."""
    subjects: tuple[Subject, ...]
    stage: Any = field(compare=False)
    """The source, open, for the meshes: until here nobody has read them."""
    truth: Any | None = field(compare=False)
    """A stage with the true motion, open."""


def preview(inputs: PreviewInputs, context: RunContext) -> tuple[Path, ...]:
    """Draw what a run made; nothing, with a warning, where that goes wrong."""
    stage = FileStage("preview", inputs, _preview)
    return try_preview(lambda: context.cache.files(stage), context.progress)


def _preview(inputs: PreviewInputs, work: StageWork) -> tuple[Path, ...]:
    from engine.preview.panels import Shown, write_preview
    from usd_io.read.character import find_skinned, read_bound_character
    from usd_io.read.material import read_texture_bytes

    skinned = find_skinned(inputs.stage)
    shown = [
        Shown(
            read_bound_character(inputs.stage, subject.path, skinned),
            subject.plan,
            subject.filled,
            true_motion(subject, inputs.truth),
        )
        for subject in inputs.subjects
    ]
    for name in PREVIEWS:
        work.claim(work.folder / name)
    return write_preview(shown, work.folder, read_texture_bytes, work.progress)


def try_preview(make: Callable[[], tuple[Path, ...]], progress: Progress) -> tuple[Path, ...]:
    """What was drawn; nothing, with a warning, where that went wrong."""
    try:
        paths = make()
    except RunCancelled:
        raise
    except Exception as error:  # of whatever kind: pictures must not cost anyone the result
        reason = str(error) if isinstance(error, SHOWN_ERRORS) else f"{type(error).__name__}: {error}"
        progress.note(f"no preview was made: {reason}", level="warning")
        return ()
    for path in paths:
        progress.preview(path)
    return paths
