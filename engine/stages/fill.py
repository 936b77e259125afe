"""Run stage *fill*: known frames -> all frames, by a motion prior (:mod:`engine.priors.fill`)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.files.arrays import load_arrays, save_arrays
from engine.files.json_values import from_plain, to_plain
from engine.planning.plan import Plan
from engine.planning.shot_plan import Planned
from engine.planning.source import Source
from engine.priors.catalogue import prior_package
from engine.priors.fill import Filled, Parts, fill, seconds, split
from engine.priors.self_test import SelfTest
from engine.runs.stage_cache import RunContext, Stage, StageWork
from engine.scene.subject import Subject
from engine.settings.choices import StyleName
from usd_io.model import Character, Motion

STEPS = 100
"""In which the progress of one skeleton is counted, in the mean: one with hundreds of gaps takes a minute."""
LEAST_S = 0.01
"""What filling any skeleton takes beside (:func:`engine.priors.fill.seconds`) [s]."""
_ARRAYS = ("times", "translations", "rotations", "scales", "T_world_skel", "animated", "blend_weights")
_CHANNELS = ("translations", "rotations", "scales")
"""What takes differ in."""


@dataclass(frozen=True, eq=False)
class FillInputs:
    """What decides how one skeleton is filled."""

    character: Character
    parts: Parts
    plan: Plan
    prior: str
    takes: int
    seed: int
    contacts: bool
    package: str = ""
    """Name and version of the package that the prior comes from; empty for ours."""
    style: StyleName = "natural"


def fill_shot(planned: Planned, source: Source, context: RunContext) -> tuple[Subject, ...]:
    """Fill every planned skeleton of a shot."""
    from usd_io.read.motion import read_motion

    config, shot = context.config, planned.shot
    inputs = []
    for character, motion, plan in zip(shot.characters, shot.motions, planned.plans, strict=True):
        parts = split(motion, plan, partial(read_motion, source.stage, character.skeleton_path))
        inputs.append(
            FillInputs(
                character,
                parts,
                plan,
                config.prior,
                takes=config.takes,
                seed=config.seed,
                contacts=config.contacts,
                style=config.style,
                package=prior_package(config.prior),
            )
        )
    return fill_all(inputs, context)


def fill_all(inputs: Sequence[FillInputs], context: RunContext) -> tuple[Subject, ...]:
    """Fill one skeleton after another."""
    subjects, steps = [], len(inputs) * STEPS
    costs = [LEAST_S + sum(seconds(i.character, i.plan, i.prior, i.takes)) for i in inputs]
    ends = [0, *(round(steps * sum(costs[: n + 1]) / sum(costs)) for n in range(len(costs)))]
    for number, each in enumerate(inputs):
        load = partial(load_filled, parts=each.parts)
        make = partial(_fill, first=ends[number], last=ends[number + 1], total=steps)
        filled = context.cache.get(Stage("fill", each, make, save_filled, load, f"fill-{number}.npz"))
        subjects.append(Subject(each.character, each.plan, filled, filled))
        context.progress.step(ends[number + 1], steps)
    return tuple(subjects)


def _fill(inputs: FillInputs, work: StageWork, first: int, last: int, total: int) -> Filled:
    """Fill one skeleton, which takes the progress from one of the steps of all to another."""

    def on_part(part: float) -> None:
        work.progress.step(first + int(part * (last - first)), total)

    return fill(
        inputs.character,
        inputs.parts,
        inputs.plan,
        inputs.prior,
        takes=inputs.takes,
        seed=inputs.seed,
        contacts=inputs.contacts,
        style=inputs.style,
        on_part=on_part,
    )


def save_filled(path: Path, filled: Filled) -> None:
    """Write the outcome of *fill*, without the parts that the stage itself holds."""
    motion = filled.motion
    arrays = {
        name: np.asarray(getattr(motion, name)) for name in _ARRAYS if getattr(motion, name) is not None
    }
    plain = {f.name: getattr(motion, f.name) for f in fields(Motion) if f.name not in _ARRAYS}
    for number, other in enumerate(filled.others, start=2):
        arrays |= {_of_take(name, number): getattr(other, name) for name in _CHANNELS}
    if filled.confidence is not None:
        arrays["confidence"] = filled.confidence
    save_arrays(
        path, arrays, {"motion": plain, "prior": filled.prior, "self_test": to_plain(filled.self_test)}
    )


def load_filled(path: Path, parts: Parts) -> Filled:
    """Read what :func:`save_filled` wrote.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: The file is no such thing.
    """
    arrays, plain = load_arrays(path)
    single = dict(plain["motion"])
    single["blend_shapes"] = tuple(single["blend_shapes"])
    single["channel_times"] = {name: tuple(times) for name, times in single["channel_times"].items()}
    single["breaks"] = tuple((float(start), float(end)) for start, end in single["breaks"])
    single["warnings"] = tuple(single["warnings"])
    values: dict[str, Any] = {name: arrays.get(name) for name in _ARRAYS} | single
    motion = replace(parts.kept, **values)
    if motion.translations.shape[1:] != parts.kept.translations.shape[1:]:
        raise ValueError(f"{path} holds another skeleton")
    others: list[Motion] = []
    while _of_take("rotations", len(others) + 2) in arrays:
        channels: dict[str, Any] = {name: arrays[_of_take(name, len(others) + 2)] for name in _CHANNELS}
        others.append(replace(motion, **channels))
    return Filled(
        motion,
        parts,
        prior=str(plain["prior"]),
        self_test=from_plain(SelfTest, plain["self_test"]),
        others=tuple(others),
        confidence=arrays.get("confidence"),
    )


def _of_take(channel: str, number: int) -> str:
    return f"{channel}_{number}"
