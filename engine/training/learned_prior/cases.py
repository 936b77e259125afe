"""Cases of the characters held out of training, planned as in the suite, and the errors made in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from engine.training.learned_prior.data import FRAME_RATE, Clip, read_corpus
from usd_io.model import Character, Motion
from usd_io.shapes import Float

SEED = 11
"""Of clips and places."""


@dataclass(frozen=True, eq=False)
class Case:
    """A held-out clip with a plan."""

    source: str
    character: Character
    truth: Motion
    plan: Plan


def as_shot(clip: Clip) -> tuple[Character, Motion]:
    """A clip of the corpus as what the engine takes."""
    joints = len(clip.rig.parents)
    names: list[str] = []
    for joint, parent in enumerate(clip.rig.parents):
        names.append(f"j{joint}" if parent < 0 else f"{names[parent]}/j{joint}")
    identity = np.tile(np.array([1, 0, 0, 0], np.float32), (joints, 1))
    character = Character(
        name=clip.source,
        skeleton_path="/" + clip.source,
        joints=tuple(names),
        parents=clip.rig.parents,
        T_skel_joint_bind=np.tile(np.eye(4), (joints, 1, 1)),
        rest_translations=clip.translations[0].copy(),
        rest_rotations=identity,
        rest_scales=np.ones((joints, 3), np.float32),
    )
    motion = Motion(
        times=np.arange(clip.frames, dtype=float),
        translations=clip.translations.copy(),
        rotations=clip.rotations / np.linalg.norm(clip.rotations, axis=-1, keepdims=True),
        scales=np.ones((clip.frames, joints, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (clip.frames, 1, 1)),
        time_codes_per_second=FRAME_RATE,
        frame_rate=FRAME_RATE,
    )
    return character, motion


def make_plan(clip: Clip, gap_s: float, rng: np.random.Generator) -> Plan | None:
    """Two seconds of context (less in short clips), then up to three gaps, at a random place; None if too short."""
    length = round(gap_s * FRAME_RATE)
    gaps = min(3, (clip.frames - 1 - length // 2) // length)
    if gaps < 1:
        return None
    ahead = min(round(2 * FRAME_RATE), clip.frames - 1 - gaps * length)
    start = int(rng.integers(0, clip.frames - ahead - gaps * length))
    keys = [float(start + ahead + i * length) for i in range(gaps + 1)]
    inside = [Gap(a, b, tuple(np.arange(a + 1, b))) for a, b in pairwise(keys)]
    return Plan("/", ((float(start), keys[0]),), tuple(keys), tuple(inside))


def held_out_cases(
    corpus: Path, per_character: int, gap_s: float, *, play_loops: bool = False
) -> Iterator[Case]:
    """Cases of all held-out characters; short clips get gaps of half a second, as in the suite."""
    rng = np.random.default_rng(SEED)
    for source, group in groupby(
        read_corpus(corpus, held_out=True, play_loops=play_loops), lambda clip: clip.source
    ):
        clips = list(group)
        for index in rng.permutation(len(clips))[:per_character]:
            short = clips[index].frames < 3 * FRAME_RATE
            plan = make_plan(clips[index], min(gap_s, 0.5) if short else gap_s, rng)
            if plan is not None:
                yield Case(source, *as_shot(clips[index]), plan)


def errors(case: Case, filled: Motion) -> tuple[Float[np.ndarray, "fill joint"], Float[np.ndarray, " fill"]]:
    """Distance of every joint from the truth, and L2P of every frame [heights]."""
    true = case.truth.at(offsets.frames_at(case.truth, case.plan.fill_times))
    size = metrics.height(case.character, case.truth, case.plan.keys[0])
    apart = skeleton.joint_positions(case.character, filled) - skeleton.joint_positions(case.character, true)
    distance = np.linalg.norm(apart, axis=-1) / size
    return distance, np.sqrt((distance**2).sum(-1))
