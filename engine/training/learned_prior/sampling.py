"""Training cases: a clip, a gap in it, what is known around it, as padded batches of poses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.priors.learned import kinematics, layout
from engine.priors.learned.poses import Poses, make_rig
from engine.training.learned_prior.data import FRAME_RATE, Clip

MOST_JOINTS = 40
"""Larger rigs lose leaf joints (fingers first, as they are many) in training; inference knows no limit."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What was in the gap, at :data:`layout.INSIDE`."""

    rotations: Float[Tensor, "batch inside joint 4"]
    translations: Float[Tensor, "batch inside joint 3"]


@dataclass(frozen=True)
class Case:
    """A gap in a clip; times in frames of the clip."""

    start: float
    end: float
    contexts: tuple[tuple[float, float], ...]
    keys: tuple[float, ...]
    seconds: float
    """Length of the gap after the change of speed."""


def draw_case(clip: Clip, rng: np.random.Generator, *, plain: bool = False) -> Case:
    """A gap at a random place, mostly as users have them: two seconds of context and up to three gaps of a second.

    Args:
        plain: No change of speed and no rare layouts, for evaluation.
    """
    last = clip.frames - 1.0
    speed = 1.0 if plain else float(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))
    per_second = FRAME_RATE * speed
    kind = rng.random()
    if plain or kind < 0.65:
        length = 1.0 if plain else rng.uniform(0.8, 1.25)
    elif kind < 0.8:
        length = rng.uniform(0.35, 0.65)
    else:
        length = float(np.exp(rng.uniform(np.log(0.25), np.log(3.0))))
    length = min(length * per_second, 0.5 * last)
    gaps_before, gaps_after = int(rng.choice(3, p=[0.4, 0.33, 0.27])), int(rng.choice(3, p=[0.4, 0.3, 0.3]))
    kind = rng.random()
    context = 2.0 if plain or kind < 0.78 else (0.0 if kind < 0.86 else rng.uniform(0.3, 2.5))
    context *= per_second
    gaps_before = min(gaps_before, int((last - length) * 0.5 / length))
    spread = 0.0 if plain or rng.random() < 0.6 else 0.3
    before = [length * (1 + spread * rng.uniform(-1, 1)) for _ in range(gaps_before)]
    after = [length * (1 + spread * rng.uniform(-1, 1)) for _ in range(gaps_after)]
    earliest = min(context + sum(before), last - length)
    start = float(rng.uniform(max(earliest * (1.0 if rng.random() < 0.8 else 0.0), 0.0), last - length))
    return _case(start, length, before, after, context, last, per_second, rng, plain=plain)


def _case(
    start: float,
    length: float,
    before: Sequence[float],
    after: Sequence[float],
    context: float,
    last: float,
    per_second: float,
    rng: np.random.Generator,
    *,
    plain: bool,
) -> Case:
    keys = [start, start + length]
    for step in before:
        keys.insert(0, max(keys[0] - step, 0.0))
    for step in after:
        if keys[-1] + step <= last:
            keys.append(keys[-1] + step)
    contexts = []
    if context > 0 and keys[0] > 2:
        contexts.append((max(keys[0] - context, 0.0), keys[0]))
    if not plain and rng.random() < 0.2 and last - keys[-1] > 2:
        contexts.append((keys[-1], min(keys[-1] + context + 3, last)))
    return Case(start, start + length, tuple(contexts), tuple(sorted(set(keys))), length / per_second)


def leaves_dropped(
    clip: Clip, most: int, rng: np.random.Generator, *, plain: bool = False
) -> Int[np.ndarray, " kept"]:
    """Joints to keep: at most so many, and now and then fewer, leaves going first."""
    parents = clip.rig.parents
    keep = np.ones(len(parents), bool)
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    wanted = min(len(parents), most)
    if not plain and rng.random() < 0.25:
        wanted = max(1, int(wanted * rng.uniform(0.4, 1)))
    while keep.sum() > wanted:
        leaves = np.flatnonzero(keep & (children == 0))
        gone = rng.permutation(leaves)[: max(1, min(int(keep.sum()) - wanted, len(leaves) // 2 + 1))]
        keep[gone] = False
        above = parents[gone]
        np.subtract.at(children, above[above >= 0], 1)
    return np.flatnonzero(keep)


def make_batch(
    clips: Sequence[Clip],
    rng: np.random.Generator,
    *,
    plain: bool = False,
    most: int = MOST_JOINTS,
    context: bool = True,
) -> tuple[Poses, Truth]:
    """One case of each clip, every fifth played backwards; without ``context`` only the keys are known."""
    turned = [clip if plain or rng.random() < 0.8 else _backwards(clip) for clip in clips]
    kept = [leaves_dropped(clip, most, rng, plain=plain) for clip in turned]
    joints = max(len(keep) for keep in kept)
    cases = [draw_case(clip, rng, plain=plain) for clip in turned]
    if not context:
        cases = [replace(case, contexts=()) for case in cases]
    read = [_read_case(*each, joints) for each in zip(turned, kept, cases, strict=True)]
    stacked = [torch.from_numpy(np.stack(column)) for column in zip(*read, strict=True)]
    stored, part, skeleton, states, seconds = stacked
    q, t = torch.nn.functional.normalize(stored[..., :4], dim=-1), stored[..., 4:]
    known, true = slice(0, len(layout.TIMES)), slice(len(layout.TIMES), None)
    poses = Poses(
        rotations=kinematics.slerp(q[:, 0, known], q[:, 1, known], part[..., None].expand(-1, -1, joints)),
        translations=torch.lerp(t[:, 0, known], t[:, 1, known], part[..., None, None]),
        parents=skeleton[:, 0],
        present=skeleton[:, 3] > 0,
        depth=skeleton[:, 1],
        subtree=skeleton[:, 2],
        states=states,
        seconds=seconds,
    )
    return poses, Truth(q[:, 0, true], t[:, 0, true])


def _backwards(clip: Clip) -> Clip:
    return replace(clip, poses=clip.poses[::-1])


def _read_case(
    clip: Clip, keep: Int[np.ndarray, " kept"], case: Case, joints: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Poses at the known times before and after each time of the layout, then the truth, padded to so many joints."""
    times = case.start + (case.end - case.start) * layout.TIMES
    before, after, part = layout.anchors(times, case.contexts, case.keys)
    between = np.flatnonzero(part > 0)
    n, at = len(keep), np.concatenate([before, times[len(layout.OUTSIDE) :]])
    poses = np.zeros((2, len(at), joints, 7), np.float32)
    poses[..., 0] = 1
    poses[:, :, :n] = _read(clip, keep, at)
    poses[1, between, :n] = _read(clip, keep, after[between])
    rig = make_rig(_renumbered(clip.rig.parents, keep))
    skeleton = np.zeros((4, joints), int)
    skeleton[0] = -1
    skeleton[:, :n] = rig.parents, rig.depth, rig.subtree, np.ones(n)
    states = layout.states(times[: len(layout.OUTSIDE)], case.contexts, case.keys)
    return poses, part.astype(np.float32), skeleton, states, np.array(case.seconds, np.float32)


def _renumbered(
    parents: Int[np.ndarray, " joint"], keep: Int[np.ndarray, " kept"]
) -> Int[np.ndarray, " kept"]:
    place = np.full(len(parents) + 1, -1)
    place[keep] = np.arange(len(keep))
    return place[parents[keep]]


def _read(
    clip: Clip, keep: Int[np.ndarray, " kept"], at: Float[np.ndarray, " time"]
) -> Float[np.ndarray, "time kept 7"]:
    """Poses at any times, linear between frames (quaternions are normalised later)."""
    low = np.clip(at.astype(int), 0, clip.frames - 2)
    share = (at - low).astype(np.float32)[:, None, None]
    rows, columns = low[:, None], keep[None]
    below, above = clip.poses[rows, columns], clip.poses[rows + 1, columns]
    return below + share * (above - below)
