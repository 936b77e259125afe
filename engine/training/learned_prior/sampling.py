"""Training cases: rows of gaps in clips and what is known around them, drawn and read many at once.

What is drawn (clip, times, states) are small arrays made on the CPU; the poses are read where the network is, from one
tensor of all clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.geometry import rotations_torch
from engine.priors.learned import layout
from engine.training.learned_prior.data import FRAME_RATE, Clip, take_joints
from engine.training.learned_prior.poses import Poses
from usd_io.shapes import Float, Int

MOST_JOINTS = 40
"""Larger rigs lose leaf joints (fingers first, as they are many) in training; inference knows no limit."""
MOST_DEPTH = 15
"""So do those with longer chains than this."""
ALONE = 0.25
"""Part of a batch whose gaps stand alone, without neighbours that a second pass could see filled."""
MOST_GAPS = 4
"""In a row."""
SHARES = (0.4, 0.4, 0.2)
"""How often rows have two, three and four gaps."""


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
            rotations=rotations_torch.slerp(qa, qb, self.part[..., None]),
            translations=torch.lerp(a[..., 4:], b[..., 4:], self.part[..., None, None]),
            parents=self.skeleton[:, 0],
            present=self.skeleton[:, 3] > 0,
            depth=self.skeleton[:, 1],
            subtree=self.skeleton[:, 2],
            states=self.states,
            seconds=self.seconds,
        )
        return poses, Truth(torch.nn.functional.normalize(self.true[..., :4], dim=-1), self.true[..., 4:])


@dataclass(frozen=True, eq=False)
class Pool:
    """Clips of at most so many joints, as one tensor."""

    poses: Float[Tensor, "frame joint 7"]
    """Rotation and translation of all clips, one after another, padded to one joint count."""
    first: Int[np.ndarray, " clip"]
    """Where each clip begins."""
    frames: Int[np.ndarray, " clip"]
    skeleton: Int[Tensor, "clip 4 joint"]
    """Parents, depths, subtree sizes, presence."""
    odds: Float[np.ndarray, " clip"]
    """Of each to be drawn; their sum is the pool's own odds."""

    @classmethod
    def of(
        cls, clips: Sequence[Clip], odds: Float[np.ndarray, " clip"], joints: int, device: torch.device
    ) -> "Pool":
        """Clips, none of more joints than that, on a device."""
        frames = np.array([clip.frames for clip in clips])
        poses = torch.zeros(int(frames.sum()), joints, 7)
        poses[..., 0] = 1
        skeleton = np.zeros((len(clips), 4, joints), np.int64)
        skeleton[:, 0] = -1
        first = np.cumsum(frames) - frames
        for index, clip in enumerate(clips):
            n, rig = len(clip.rig.parents), clip.rig
            poses[first[index] : first[index] + clip.frames, :n] = torch.from_numpy(clip.poses)
            skeleton[index, :, :n] = rig.parents, rig.depth, rig.subtree, np.ones(n)
        return cls(poses.to(device), first, frames, torch.from_numpy(skeleton).to(device), odds)

    def at(
        self, clip: Int[np.ndarray, " batch"], times: Float[np.ndarray, "batch time"]
    ) -> Float[Tensor, "batch time joint 7"]:
        """Poses at any times, linear between frames (quaternions are normalised later)."""
        low = np.clip(times.astype(int), 0, self.frames[clip][:, None] - 2)
        device = self.poses.device
        row = torch.from_numpy(self.first[clip][:, None] + low).to(device)
        share = torch.from_numpy((times - low).astype(np.float32)).to(device)
        return torch.lerp(self.poses[row], self.poses[row + 1], share[..., None, None])


@dataclass(frozen=True, eq=False)
class GapRows:
    """Gaps one after another, many rows of them; times in frames of their clips."""

    clip: Int[np.ndarray, " row"]
    keys: Float[np.ndarray, "row key"]
    """Ends of the gaps; what is behind the last repeats it."""
    gaps: Int[np.ndarray, " row"]
    first: Float[np.ndarray, " row"]
    """Start of the context before, the first key where there is none."""
    last: Float[np.ndarray, " row"]
    """End of the context behind, the last key where there is none."""
    per_second: Float[np.ndarray, " row"]
    """Frames per second after the change of speed."""


def draw_rows(
    pool: Pool, size: int, rng: np.random.Generator, *, plain: bool = False, context: bool = True
) -> GapRows:
    """Rows of so many gaps in all, or a few more: lengths and numbers as users have them, with long gaps and rows more
    often.

    Args:
        pool: What to draw from.
        size: Number of gaps; the first :data:`ALONE` part of them stand alone.
        rng: Random numbers.
        plain: Gaps of a second after two seconds of context and no change of speed, for evaluation.
        context: Whether finished motion is seen, or keys alone.
    """
    single = round(ALONE * size)
    more = np.full(size - single, 3) if plain else rng.choice([2, 3, 4], size - single, p=SHARES)
    more = more[: np.searchsorted(np.cumsum(more), size - single) + 1]
    gaps = np.concatenate([np.ones(single, int), more]).astype(int)
    count = len(gaps)
    clip = rng.choice(len(pool.frames), count, p=pool.odds / pool.odds.sum())
    end = pool.frames[clip] - 1.0
    speed = np.ones(count) if plain else np.exp(rng.uniform(np.log(0.7), np.log(1.5), count))
    per_second = FRAME_RATE * speed
    length = (np.ones(count) if plain else _lengths(rng, count)) * per_second
    length = np.minimum(length, end / (gaps + 1))
    uneven = np.zeros(count) if plain else 0.3 * (rng.random(count) < 0.4)
    lengths = length[:, None] * (1 + uneven[:, None] * rng.uniform(-1, 1, (count, MOST_GAPS)))
    lengths *= np.arange(MOST_GAPS) < gaps[:, None]
    lengths *= np.minimum(1, end / lengths.sum(1))[:, None]
    before, after = _contexts(rng, per_second, plain=plain)
    if not context:
        before, after = 0 * before, 0 * after
    # mostly with all the context that there is room for, that before taking the first of it
    room = np.maximum(end - lengths.sum(1), 0)
    low = np.minimum(before, room) * (rng.random(count) < 0.85)
    high = np.maximum(room - np.minimum(after, room - low), low)
    start = rng.uniform(low, high)
    keys = start[:, None] + np.concatenate([np.zeros((count, 1)), np.cumsum(lengths, 1)], 1)
    keys = np.minimum(keys, end[:, None])
    ahead, behind = np.minimum(before, start), np.minimum(after, end - keys[:, -1])
    return GapRows(
        clip,
        keys,
        gaps,
        start - ahead * (ahead > 2),
        keys[:, -1] + behind * (behind > 2),
        per_second,
    )


def _lengths(rng: np.random.Generator, count: int) -> Float[np.ndarray, " row"]:
    """Seconds of a gap."""
    kind = rng.random(count)
    some = [
        rng.uniform(0.8, 1.25, count),
        rng.uniform(0.35, 0.65, count),
        rng.uniform(1.5, 3.0, count),
        np.exp(rng.uniform(np.log(0.25), np.log(3.0), count)),
    ]
    return np.choose(np.searchsorted([0.42, 0.55, 0.85], kind), some)


def _contexts(
    rng: np.random.Generator, per_second: Float[np.ndarray, " row"], *, plain: bool
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Frames of finished motion before and after."""
    count = len(per_second)
    if plain:
        return 2.0 * per_second, np.zeros(count)
    kind = rng.random(count)
    before = np.where(kind < 0.72, 2.0, np.where(kind < 0.82, 0.0, rng.uniform(0.3, 2.5, count)))
    after = np.where(rng.random(count) < 0.7, 0.0, rng.uniform(0.3, 2.0, count))
    return before * per_second, after * per_second


def joints_kept(
    clip: Clip, most: int, rng: np.random.Generator, *, fewer: bool = False
) -> Int[np.ndarray, " kept"]:
    """Joints to keep: at most so many and so deep, and with *fewer* some less, leaves going first."""
    parents = clip.rig.parents
    keep = clip.rig.depth <= MOST_DEPTH
    children = np.bincount(parents[keep & (parents >= 0)], minlength=len(parents))
    wanted = min(int(keep.sum()), most)
    if fewer:
        wanted = max(1, int(wanted * rng.uniform(0.4, 1)))
    while keep.sum() > wanted:
        leaves = np.flatnonzero(keep & (children == 0))
        gone = rng.permutation(leaves)[: max(1, min(int(keep.sum()) - wanted, len(leaves) // 2 + 1))]
        keep[gone] = False
        above = parents[gone]
        np.subtract.at(children, above[above >= 0], 1)
    return np.flatnonzero(keep)


def fitted(clip: Clip, rng: np.random.Generator, *, fewer: bool = False) -> Clip:
    """The clip without the joints that training has no room for."""
    keep = np.zeros(len(clip.rig.parents), bool)
    keep[joints_kept(clip, MOST_JOINTS, rng, fewer=fewer)] = True
    return clip if keep.all() else take_joints(clip, keep)


def make_batch(
    pool: Pool, size: int, rng: np.random.Generator, *, plain: bool = False, context: bool = True
) -> Batch:
    """A batch of so many gaps of one pool (arguments as of :func:`draw_rows`)."""
    rows = draw_rows(pool, size, rng, plain=plain, context=context)
    row = np.repeat(np.arange(len(rows.gaps)), rows.gaps)[:size]
    begun = np.cumsum(rows.gaps) - rows.gaps
    own = np.arange(size) - begun[row]
    start, end = rows.keys[row, own], rows.keys[row, own + 1]
    times = start[:, None] + (end - start)[:, None] * layout.TIMES
    before, after, part, states, index = _known(times, rows, row)
    outside = slice(0, len(layout.OUTSIDE))
    neighbour = begun[row][:, None] + index[:, outside]
    filled = (states == layout.BETWEEN) & (part[:, outside] > 0) & (neighbour < size)
    device = pool.poses.device

    def on_device(values: np.ndarray, kind: type) -> Tensor:
        return torch.from_numpy(values.astype(kind)).to(device)

    return Batch(
        before=pool.at(rows.clip[row], before),
        after=pool.at(rows.clip[row], after),
        part=on_device(part, np.float32),
        true=pool.at(rows.clip[row], times[:, len(layout.OUTSIDE) :]),
        skeleton=pool.skeleton[torch.from_numpy(rows.clip[row]).to(device)],
        states=on_device(states, np.int64),
        seconds=on_device((end - start) / rows.per_second[row], np.float32),
        neighbour=on_device(np.where(filled, neighbour, -1), np.int64),
        neighbour_part=on_device(np.where(filled, part[:, outside], 0), np.float32),
        frame=on_device(random_frames(size, rng), np.float32),
    )


def _known(
    times: Float[np.ndarray, "batch time"], rows: GapRows, row: Int[np.ndarray, " batch"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What :func:`layout.anchors` and :func:`layout.states` say of one gap, for many: known times before and after each
    time, the part between them, the states outside, and the gap in which each lies."""
    keys, first, last = rows.keys[row], rows.first[row, None], rows.last[row, None]
    clipped = np.clip(times, first, last)
    begin, end = keys[:, :1], keys[:, -1:]
    inside = (clipped > begin) & (clipped < end)
    index = (clipped[..., None] >= keys[:, None, 1:-1]).sum(-1)
    index = np.minimum(index, rows.gaps[row, None] - 1)
    a, b = np.take_along_axis(keys, index, 1), np.take_along_axis(keys, index + 1, 1)
    before, after = np.where(inside, a, clipped), np.where(inside, b, clipped)
    span = after - before
    part = np.where(span > 0, (clipped - before) / np.where(span > 0, span, 1), 0.0)
    outside = times[:, : len(layout.OUTSIDE)]
    margin = 1e-6 * np.maximum(last - first, 1e-9)
    states = np.full(outside.shape, layout.BETWEEN)
    states[(outside < first - margin) | (outside > last + margin)] = layout.BEYOND
    given = ((outside >= first - margin) & (outside <= begin + margin)) | (
        (outside >= end - margin) & (outside <= last + margin)
    )
    given |= (np.abs(outside[..., None] - keys[:, None]) <= margin[..., None]).any(-1)
    states[given] = layout.GIVEN
    return before, after, part, states, index


def random_frames(count: int, rng: np.random.Generator) -> Float[np.ndarray, "batch 3 3"]:
    """Random headings, half of them mirrored: what the network must not depend on."""
    angle, mirror = rng.uniform(0, 2 * np.pi, count), np.where(rng.random(count) < 0.5, -1.0, 1.0)
    frames = np.zeros((count, 3, 3), np.float32)
    frames[:, 0, 0], frames[:, 0, 2] = mirror * np.cos(angle), mirror * np.sin(angle)
    frames[:, 2, 0], frames[:, 2, 2], frames[:, 1, 1] = -np.sin(angle), np.cos(angle), 1
    return frames
