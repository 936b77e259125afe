"""Training cases: rows of gaps in clips, what is known around them, as padded batches of poses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.priors.learned import kinematics, layout
from engine.priors.learned.poses import Poses, make_rig
from engine.training.learned_prior.data import FRAME_RATE, Clip

MOST_JOINTS = 40
"""Larger rigs lose leaf joints (fingers first, as they are many) in training; inference knows no limit."""
MOST_DEPTH = 15
"""So do those with longer chains than this."""
ALONE = 0.25
"""Part of a batch whose gaps stand alone, without neighbours that a second pass could see filled."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What was in the gap, at :data:`layout.INSIDE`."""

    rotations: Float[Tensor, "batch inside joint 4"]
    translations: Float[Tensor, "batch inside joint 3"]

    def at(self, some: slice) -> "Truth":
        """Some of the gaps."""
        return Truth(self.rotations[some], self.translations[some])


@dataclass(frozen=True, eq=False)
class Batch:
    """Gaps as they are drawn: the first :data:`ALONE` part stand alone, the rest in rows of two and more."""

    before: Float[Tensor, "batch time joint 7"]
    """Known poses before each time, rotation and translation side by side."""
    after: Float[Tensor, "batch time joint 7"]
    part: Float[Tensor, "batch time"]
    """Part of the way from the one to the other."""
    true: Float[Tensor, "batch inside joint 7"]
    skeleton: Int[Tensor, "batch 4 joint"]
    """Parents, depths, subtree sizes, presence."""
    states: Int[Tensor, "batch outside"]
    seconds: Float[Tensor, " batch"]
    neighbour: Int[Tensor, "batch outside"]
    """Gap of the batch in which each time outside lies, -1 where it is in none."""
    neighbour_part: Float[Tensor, "batch outside"]
    frame: Float[Tensor, "batch 3 3"]
    """Heading in which the network sees each."""

    def poses(self) -> tuple[Poses, Truth]:
        """What is known and what was there."""
        a, b = self.before, self.after
        qa = torch.nn.functional.normalize(a[..., :4], dim=-1)
        qb = torch.nn.functional.normalize(b[..., :4], dim=-1)
        poses = Poses(
            rotations=kinematics.slerp(qa, qb, self.part[..., None]),
            translations=torch.lerp(a[..., 4:], b[..., 4:], self.part[..., None, None]),
            parents=self.skeleton[:, 0],
            present=self.skeleton[:, 3] > 0,
            depth=self.skeleton[:, 1],
            subtree=self.skeleton[:, 2],
            states=self.states,
            seconds=self.seconds,
        )
        return poses, Truth(torch.nn.functional.normalize(self.true[..., :4], dim=-1), self.true[..., 4:])


@dataclass(frozen=True)
class Row:
    """Gaps one after another in a clip; times in frames of the clip."""

    keys: tuple[float, ...]
    """Ends of the gaps, and further keys before and after them."""
    gaps: tuple[tuple[float, float], ...]
    """Those that are asked for."""
    contexts: tuple[tuple[float, float], ...]
    per_second: float
    """Frames per second after the change of speed."""


def draw_row(clip: Clip, rng: np.random.Generator, *, alone: bool, plain: bool = False) -> Row:
    """Gaps at a random place: lengths and numbers as users have them, with long ones and rows more often.

    Args:
        clip: The clip.
        rng: Random numbers.
        alone: One gap and no neighbours, else two to four.
        plain: Gaps of a second after two seconds of context and no change of speed, for evaluation.
    """
    last = clip.frames - 1.0
    speed = 1.0 if plain else float(np.exp(rng.uniform(np.log(0.7), np.log(1.5))))
    per_second = FRAME_RATE * speed
    count = 1 if alone else (3 if plain else int(rng.choice([2, 3, 4], p=[0.4, 0.4, 0.2])))
    length = (1.0 if plain else _length(rng)) * per_second
    length = min(length, last / (count + 1 if count > 1 else 2))
    spread = 0.0 if plain or rng.random() < 0.6 else 0.3
    lengths = length * (1 + spread * rng.uniform(-1, 1, count))
    context, after = _contexts(rng, per_second, plain=plain)
    room = last - lengths.sum()
    if room < 0:
        lengths, room = lengths * last / lengths.sum(), 0.0
    # mostly with all the context that there is room for
    earliest = min(context, room - min(after, max(room - context, 0.0)))
    low = earliest if rng.random() < 0.85 else 0.0
    start = float(rng.uniform(low, max(room - min(after, max(room - low, 0.0)), low)))
    keys = start + np.concatenate([[0.0], np.cumsum(lengths)])
    keys[-1] = min(keys[-1], last)
    contexts = []
    if context > 0 and start > 2:
        contexts.append((max(start - context, 0.0), start))
    if after > 0 and last - keys[-1] > 2:
        contexts.append((float(keys[-1]), min(float(keys[-1]) + after, last)))
    gaps = tuple((float(a), float(b)) for a, b in pairwise(keys))
    return Row(tuple(float(key) for key in keys), gaps, tuple(contexts), per_second)


def _length(rng: np.random.Generator) -> float:
    """Seconds of a gap."""
    kind = rng.random()
    if kind < 0.42:
        return float(rng.uniform(0.8, 1.25))
    if kind < 0.55:
        return float(rng.uniform(0.35, 0.65))
    if kind < 0.85:
        return float(rng.uniform(1.5, 3.0))
    return float(np.exp(rng.uniform(np.log(0.25), np.log(3.0))))


def _contexts(rng: np.random.Generator, per_second: float, *, plain: bool) -> tuple[float, float]:
    """Frames of finished motion before and after."""
    if plain:
        return 2.0 * per_second, 0.0
    kind = rng.random()
    before = 2.0 if kind < 0.72 else (0.0 if kind < 0.82 else rng.uniform(0.3, 2.5))
    after = 0.0 if rng.random() < 0.7 else rng.uniform(0.3, 2.0)
    return float(before * per_second), float(after * per_second)


def joints_kept(
    clip: Clip, most: int, rng: np.random.Generator, *, plain: bool = False
) -> Int[np.ndarray, " kept"]:
    """Joints to keep: at most so many and so deep, and now and then fewer, leaves going first."""
    parents = clip.rig.parents
    keep = clip.rig.depth <= MOST_DEPTH
    children = np.bincount(parents[keep & (parents >= 0)], minlength=len(parents))
    wanted = min(int(keep.sum()), most)
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
    draw_clip: Callable[[], Clip],
    rng: np.random.Generator,
    size: int,
    joints: int,
    *,
    plain: bool = False,
    context: bool = True,
) -> Batch:
    """Rows of clips until the batch is full.

    Args:
        draw_clip: Gives the next clip.
        rng: Random numbers.
        size: Gaps.
        joints: To which skeletons are padded, or from which they lose leaves.
        plain: As of :func:`draw_row`.
        context: Whether finished motion is seen, or keys alone.
    """
    columns: list[list[np.ndarray]] = [[] for _ in range(9)]
    count, single = 0, round(ALONE * size)
    while count < size:
        clip = draw_clip()
        row = draw_row(clip, rng, alone=count < single, plain=plain)
        if not context:
            row = replace(row, contexts=())
        keep = joints_kept(clip, joints, rng, plain=plain)
        for column, values in zip(columns, _read_row(clip, keep, row, joints, count, size), strict=True):
            column.append(values)
        count += min(len(row.gaps), size - count)
    tensors = [torch.from_numpy(np.concatenate(column)[:size]) for column in columns]
    return Batch(*tensors, torch.from_numpy(random_frames(size, rng)))


def random_frames(count: int, rng: np.random.Generator) -> Float[np.ndarray, "batch 3 3"]:
    """Random headings, half of them mirrored: what the network must not depend on."""
    angle, mirror = rng.uniform(0, 2 * np.pi, count), np.where(rng.random(count) < 0.5, -1.0, 1.0)
    frames = np.zeros((count, 3, 3), np.float32)
    frames[:, 0, 0], frames[:, 0, 2] = mirror * np.cos(angle), mirror * np.sin(angle)
    frames[:, 2, 0], frames[:, 2, 2], frames[:, 1, 1] = -np.sin(angle), np.cos(angle), 1
    return frames


def _read_row(
    clip: Clip, keep: Int[np.ndarray, " kept"], row: Row, joints: int, first: int, size: int
) -> tuple[np.ndarray, ...]:
    """The columns of :class:`Batch` but the last, padded to so many joints."""
    n, gaps, outside = len(keep), len(row.gaps), len(layout.OUTSIDE)
    starts, ends = np.array(row.gaps).T
    times = starts[:, None] + (ends - starts)[:, None] * layout.TIMES
    flat = times.ravel()
    before, after, part = layout.anchors(flat, row.contexts, row.keys)
    between = np.flatnonzero(part > 0)
    a = np.zeros((len(flat), joints, 7), np.float32)
    a[..., 0] = 1
    a[:, :n] = _read(clip, keep, before)
    b = a.copy()
    b[between, :n] = _read(clip, keep, after[between])
    true = np.zeros((gaps * len(layout.INSIDE), joints, 7), np.float32)
    true[..., 0] = 1
    true[:, :n] = _read(clip, keep, times[:, outside:].ravel())
    rig = make_rig(_renumbered(clip.rig.parents, keep))
    skeleton = np.zeros((4, joints), int)
    skeleton[0] = -1
    skeleton[:, :n] = rig.parents, rig.depth, rig.subtree, np.ones(n)
    states = layout.states(flat, row.contexts, row.keys).reshape(gaps, -1)[:, :outside]
    neighbour, neighbour_part = _neighbours(times[:, :outside], row, states, first, size)
    return (
        a.reshape(gaps, -1, joints, 7),
        b.reshape(gaps, -1, joints, 7),
        part.astype(np.float32).reshape(gaps, -1),
        true.reshape(gaps, -1, joints, 7),
        np.repeat(skeleton[None], gaps, 0),
        states,
        ((ends - starts) / row.per_second).astype(np.float32),
        neighbour,
        neighbour_part,
    )


def _neighbours(
    times: Float[np.ndarray, "gap outside"],
    row: Row,
    states: Int[np.ndarray, "gap outside"],
    first: int,
    size: int,
) -> tuple[Int[np.ndarray, "gap outside"], Float[np.ndarray, "gap outside"]]:
    """In which gap of the batch each time lies, and where in it."""
    keys = np.array(row.keys)
    index = np.clip(np.searchsorted(keys, times, side="right") - 1, 0, len(keys) - 2)
    part = (times - keys[index]) / (keys[index + 1] - keys[index])
    inside = (states == layout.BETWEEN) & (part > 0) & (part < 1) & (first + index < size)
    return np.where(inside, first + index, -1), np.where(inside, part, 0.0).astype(np.float32)


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
