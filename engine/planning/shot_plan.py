"""Read a stage and plan what is to be filled, skeleton by skeleton."""

from dataclasses import dataclass, replace

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.planning.plan import Plan, joints_of, make_plan
from engine.planning.source import Source
from engine.settings.pins import parse_pin
from usd_io.errors import shown
from usd_io.model import Character, Motion, Shot


@dataclass(frozen=True, eq=False)
class Planned:
    """The work, before it is done: one plan per skeleton."""

    shot: Shot
    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()
    source: Source | None = None
    """The files that the shot was read from, hashed before; None where no run follows."""


def plan(config: RunConfig) -> Planned:
    """Read the stage and find or check what is to be filled; writes nothing.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Times, joints or skeletons that do not exist; nothing to fill.
        SourceChanged: A file of the stage was saved meanwhile.
    """
    from usd_io.read.stage import read_shot

    source = Source(config)
    planned = plan_shot(read_shot(source.stage, config.skeletons, meshes=False, once=True), config)
    source.check_unchanged()
    return replace(planned, source=source)


def plan_shot(shot: Shot, config: RunConfig) -> Planned:
    """The plans of a shot; a skeleton with nothing to fill is left out unless it was named."""
    chosen: list[tuple[Character, Motion, tuple[str, ...], Plan]] = []
    refused: list[ConfigError] = []
    sharing = shot.sharing or tuple((character.skeleton_path,) for character in shot.characters)
    for character, motion, group in zip(shot.characters, shot.motions, sharing, strict=True):
        try:
            made = make_plan(
                character,
                motion,
                contexts=config.context,
                keys=config.keys,
                lock=[text for text in config.lock if _is_meant(character, text, shot)],
                pin=[text for text in config.pin if _is_meant(character, parse_pin(text)[0], shot)],
                in_place=config.in_place,
                loop=config.loop,
            )
            chosen.append((character, motion, group, made))
        except ConfigError as error:
            if config.skeletons:
                raise
            refused.append(error)
    if not chosen:
        raise refused[0]
    characters, motions, groups, plans = zip(*chosen, strict=True)
    notes = [*map(str, refused), *_shared(groups)]
    shot = replace(shot, characters=characters, motions=motions, sharing=groups)
    return Planned(shot, plans, tuple(notes))


def _is_meant(character: Character, pattern: str, shot: Shot) -> bool:
    """Whether joints to lock or to pin are this skeleton's: it has them, or no skeleton of the shot has."""
    return bool(joints_of(character, pattern)) or not any(joints_of(c, pattern) for c in shot.characters)


def _shared(groups: tuple[tuple[str, ...], ...]) -> list[str]:
    """What is said of skeletons that share an animation."""
    return [
        f"{len(group)} skeletons share one animation, which is filled once for all of them: {_some(group)}."
        for group in dict.fromkeys(groups)
        if len(group) > 1
    ]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + more
