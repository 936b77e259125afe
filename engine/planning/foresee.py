"""What prevents a result, reported when planning: what stage, author options and folder decide."""

from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import ConfigError, NotWritable
from engine.files.owned_folder import check_writable
from engine.planning.shot_plan import Planned
from usd_io.errors import AuthorError, shown


def foresee(planned: Planned, stage: Any, config: RunConfig, *, dry: bool = False) -> Planned:
    """The plans for which a result can be written; the others are named in the notes. What a video decides, see
    :mod:`engine.scene.given_video`.

    Args:
        planned: The work.
        stage: The source, open.
        config: Gives the author options and the folder.
        dry: Whether no run follows: then a folder that cannot be written to is no matter.

    Raises:
        ConfigError: Nothing can be written, not for a skeleton that was named, or not to the folder.
    """
    with suppress(NotWritable) if dry else nullcontext():
        _check_folder(config)
    from usd_io.author.foresee import foresee_placement
    from usd_io.read.placement import MODE

    groups = planned.shot.sharing or tuple((c.skeleton_path,) for c in planned.shot.characters)
    counts = {made.skeleton_path: config.takes for made in planned.plans}
    sharing = [path for group in groups for path in group]
    try:
        placed = foresee_placement(stage, counts, config.author, sharing=sharing)
    except AuthorError as error:
        raise ConfigError(str(error), settings=error.settings) from None
    named = next((path for path in config.skeletons if path in placed.refused), None)
    if named is not None:
        raise ConfigError(placed.refused[named], settings=MODE)
    written = {path for placement in placed.placements for path in placement.made_of}
    kept = [number for number, made in enumerate(planned.plans) if made.skeleton_path in written]
    notes = [f"{shown(path)} is left out: {why}" for path, why in placed.refused.items()]
    shot = replace(
        planned.shot,
        characters=tuple(planned.shot.characters[n] for n in kept),
        motions=tuple(planned.shot.motions[n] for n in kept),
        sharing=tuple(tuple(p for p in groups[n] if p not in placed.refused) for n in kept),
    )
    return replace(
        planned, shot=shot, plans=tuple(planned.plans[n] for n in kept), notes=(*planned.notes, *notes)
    )


def _check_folder(config: RunConfig) -> None:
    """Refuse a folder that cannot be made or written to."""
    stage = Path(config.stage)
    check_writable(Path(config.out) if config.out else (stage.parent if stage.exists() else Path()))
