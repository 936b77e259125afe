"""Run stage *preview*: pictures of the result in the run folder. An extra: it warns where the other stages fail."""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import SHOWN_ERRORS, RunCancelled
from engine.planning.plan import Plan
from engine.priors.fill import Filled
from engine.progress import Progress
from engine.stages.score import true_motion
from usd_io.model import Character


def preview_run(
    stage: str,
    characters: Sequence[Character],
    plans: Sequence[Plan],
    results: Sequence[Filled],
    truth: str,
    folder: Path,
    progress: Progress,
) -> tuple[Path, ...]:
    """Draw what a run made; see :func:`engine.preview.panels.write_preview`.

    Args:
        stage: The source, for the meshes: a run itself does not read them.
        characters: The skeletons of the run.
        plans: One per skeleton.
        results: One per skeleton.
        truth: As in :class:`engine.config.RunConfig`.
        folder: The run folder.
        progress: Told of batches of images.
    """
    from engine.preview.panels import Shown, write_preview
    from usd_io.read.character import find_skinned, read_bound_character
    from usd_io.read.stage import open_stage
    from usd_io.read.texture import read_texture_bytes

    opened = open_stage(stage)
    skinned = find_skinned(opened)
    shown = [
        Shown(
            read_bound_character(opened, character.skeleton_path, skinned),
            plan,
            filled,
            true_motion(character, plan, filled, truth),
        )
        for character, plan, filled in zip(characters, plans, results, strict=True)
    ]
    return write_preview(shown, folder, read_texture_bytes, progress)


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
