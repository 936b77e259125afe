"""How far a filled motion is from the truth (design: L2Q, HL2Q, L2P, NPSS, jerk, keys, foot skate).

All metrics look at in-between frames only. Positions are joint origins in world space divided by the
character's height: the largest side of the box around its joints at the first key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from engine.geometry import rotations, skeleton
from engine.geometry.time_grid import frames_at, nearest_frames
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

CONTACT_HEIGHT = 0.05
"""A joint may be in contact when within this part of the height above its own lowest point."""
CONTACT_SPEED = 0.15
"""and slower than this [heights/s] in the truth."""
FAR = 2.0
"""A root is far from all others that is so many times as far from the nearest as the box around them is large."""
LONG = 3.0
"""So is one that is further away than that box is large if it is so many times as far as their longest bone: no limb
leads there."""
MOST_DISTANCES = 1 << 20
"""Held in memory at once."""
SAME_PLACE = 1e-4
"""Joints nearer to each other than this part of the box are at one place."""
FRAMES_AT_ONCE = 1024
"""So many frames are looked at together, which bounds memory."""


@runtime_checkable
class ScoredGap(Protocol):
    """An interval that was filled [time codes]."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def times(self) -> tuple[float, ...]: ...


@runtime_checkable
class ScoredTimes(Protocol):
    """What of a plan decides the scores: metrics know no more of plans."""

    @property
    def gaps(self) -> Sequence[ScoredGap]: ...
    @property
    def keys(self) -> tuple[float, ...]: ...
    @property
    def pose_keys(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Scores:
    """Metrics of one filled motion against the truth; lower is better, ``jerk_ratio`` is best at 1."""

    l2p: float
    """Mean over frames of the L2 norm over joints of position differences [heights]."""
    l2q: float
    """The same for global unit quaternions with signs aligned (LAFAN1)."""
    hl2q: float
    """L2Q with joints weighted by the share of the skeleton below them (weights of mean 1)."""
    npss: float
    """Normalised power spectrum similarity (Gopalakrishnan et al. 2019) of local rotation vectors."""
    jerk_ratio: float
    """Mean norm of the third time difference of positions, over the truth's."""
    key_error: float
    """Largest joint distance at the keys [heights]."""
    foot_skate: float | None
    """Mean speed of joints while the truth has them in contact [heights/s]; None without contacts."""
    per_gap_l2p: tuple[float, ...] = field(default=())


def height(character: Character, motion: Motion, time: float) -> float:
    """Largest side of the box around the joints at a time [stage units], but for those of :func:`left_behind`; 1 for a
    single point."""
    frame = int(nearest_frames(motion.times, np.array([time], float))[0])
    positions = skeleton.joint_positions(character, motion.at(slice(frame, frame + 1)))[0]
    positions = positions[~left_behind(character.parents, positions)]
    return float(np.ptp(positions, axis=0).max()) or 1.0


def left_behind(
    parents: Int[np.ndarray, " joint"], positions: Float[np.ndarray, "joint 3"]
) -> Bool[np.ndarray, " joint"]:
    """Joints at the place of a root that all others are far from: a reference that stays at the origin while the hips
    below carry the motion, and handles beside it. What is measured in heights would grow with the way that was gone.

    Args:
        parents: -1 for roots.
        positions: Of one frame.
    """
    none = np.zeros(len(positions), bool)
    side = float(np.ptp(positions, axis=0).max(initial=0)) if len(positions) else 0.0
    away = _to_nearest_root(np.asarray(parents) < 0, positions)
    others = away >= SAME_PLACE * side
    if others.sum() < 2:
        return none
    size, nearest = float(np.ptp(positions[others], axis=0).max()), away[others].min()
    inner = others & (np.asarray(parents) >= 0) & others[parents]
    longest = np.linalg.norm(positions - positions[parents], axis=-1).max(where=inner, initial=0)
    far = min(FAR * size, max(size, LONG * longest)) if longest else FAR * size
    return ~others if 0 < far < nearest else none


def _to_nearest_root(
    is_root: Bool[np.ndarray, " joint"], positions: Float[np.ndarray, "joint 3"]
) -> Float[np.ndarray, " joint"]:
    """Distance of joints from the nearest root, some at a time: a stage may name thousands of roots."""
    roots = positions[is_root]
    away = np.where(is_root, 0.0, np.inf)
    below = np.flatnonzero(~is_root)
    rows = max(1, MOST_DISTANCES // max(1, len(roots)))
    for some in (below[start : start + rows] for start in range(0, len(below), rows)):
        away[some] = np.linalg.norm(positions[some, None] - roots, axis=-1).min(1, initial=np.inf)
    return away


def score(character: Character, truth: Motion, result: Motion, plan: ScoredTimes) -> Scores:
    """Compare on the gaps of a plan; both motions must hold the fill times and the keys."""
    size = height(character, truth, plan.keys[0])
    per_gap = _gap_arrays(character, truth, result, plan)
    inner = slice(1, -1)
    p_true = np.concatenate([g.p_true[inner] for g in per_gap]) / size
    p_got = np.concatenate([g.p_got[inner] for g in per_gap]) / size
    q_true = np.concatenate([g.q_true[inner] for g in per_gap])
    q_got = np.concatenate([g.q_got[inner] for g in per_gap])
    step = float(np.median(np.concatenate([np.diff(g.times) for g in per_gap]))) / truth.time_codes_per_second
    return Scores(
        l2p=l2p(p_true, p_got),
        l2q=l2q(q_true, q_got),
        hl2q=l2q(q_true, q_got, weights=subtree_weights(character.parents)),
        npss=npss([g.r_true for g in per_gap], [g.r_got for g in per_gap]),
        jerk_ratio=_ratio(sum(_jerk(g.p_got) for g in per_gap), sum(_jerk(g.p_true) for g in per_gap)),
        key_error=key_error(character, truth, result, plan) / size,
        foot_skate=_foot_skate(
            character, [g.p_true / size for g in per_gap], [g.p_got / size for g in per_gap], step
        ),
        per_gap_l2p=tuple(l2p(g.p_true[inner] / size, g.p_got[inner] / size) for g in per_gap),
    )


def l2p(truth: Float[np.ndarray, "frame joint 3"], result: Float[np.ndarray, "frame joint 3"]) -> float:
    """Mean over frames of the L2 norm over joints and components."""
    return float(np.linalg.norm((truth - result).reshape(len(truth), -1), axis=1).mean())


def l2q(
    truth: Float[np.ndarray, "frame joint 4"],
    result: Float[np.ndarray, "frame joint 4"],
    *,
    weights: Float[np.ndarray, " joint"] | None = None,
) -> float:
    """Mean over frames of the L2 norm over joints and components of unit quaternions, signs aligned."""
    aligned = np.where((truth * result).sum(-1, keepdims=True) < 0, -result, result)
    squares = ((truth - aligned) ** 2).sum(-1)
    return float(np.sqrt((squares * (1 if weights is None else weights)).sum(-1)).mean())


def subtree_weights(parents: Int[np.ndarray, " joint"]) -> Float[np.ndarray, " joint"]:
    """Joints in the subtree of each joint, itself included, scaled to mean 1."""
    size = np.ones(len(parents))
    for joint in range(len(parents) - 1, -1, -1):
        if parents[joint] >= 0:
            size[parents[joint]] += size[joint]
    return size / size.mean()


def npss(truth: list[Float[np.ndarray, "_ feature"]], result: list[Float[np.ndarray, "_ feature"]]) -> float:
    """Normalised power spectrum similarity: the earth mover's distance between normalised power spectra of every
    feature of every sequence, averaged with the truth's power as weight (Gopalakrishnan et al. 2019, section 4)."""
    distance, weight = 0.0, 0.0
    for true, got in zip(truth, result, strict=True):
        power_true = np.abs(np.fft.fft(true, axis=0)) ** 2
        power_got = np.abs(np.fft.fft(got, axis=0)) ** 2
        emd = np.abs(np.cumsum(_normalised(power_true) - _normalised(power_got), axis=0)).sum(0)
        distance += float((emd * power_true.sum(0)).sum())
        weight += float(power_true.sum())
    return _ratio(distance, weight, empty=0.0)


def key_error(character: Character, truth: Motion, result: Motion, plan: ScoredTimes) -> float:
    """Largest joint distance at the keys of the whole pose [stage units]."""
    true, got = (skeleton.joint_positions(character, select(m, plan.pose_keys)) for m in (truth, result))
    return float(np.linalg.norm(true - got, axis=-1).max(initial=0.0))


def select(motion: Motion, times: tuple[float, ...]) -> Motion:
    """The frames at the given times, which the motion must hold."""
    frames, missing = frames_at(motion.times, np.array(times, float), 1e-5 * motion.frame_step)
    assert not len(missing), "times that are not sampled"
    return motion.at(frames)


@dataclass(frozen=True)
class _GapArrays:
    times: Float[np.ndarray, " frame"]
    p_true: Float[np.ndarray, "frame joint 3"]
    p_got: Float[np.ndarray, "frame joint 3"]
    q_true: Float[np.ndarray, "frame joint 4"]
    q_got: Float[np.ndarray, "frame joint 4"]
    r_true: Float[np.ndarray, "inner feature"]
    r_got: Float[np.ndarray, "inner feature"]


def _gap_arrays(character: Character, truth: Motion, result: Motion, plan: ScoredTimes) -> list[_GapArrays]:
    """Of every gap, with its keys; a block of gaps at a time."""
    found: list[_GapArrays] = []
    block: list[tuple[float, ...]] = []
    for number, gap in enumerate(plan.gaps, start=1):
        block.append((gap.start, *gap.times, gap.end))
        if number == len(plan.gaps) or sum(map(len, block)) >= FRAMES_AT_ONCE:
            found += _arrays_of(character, truth, result, block)
            block = []
    return found


def _arrays_of(
    character: Character, truth: Motion, result: Motion, gaps: Sequence[tuple[float, ...]]
) -> list[_GapArrays]:
    """Of gaps by their times, all at once and then cut apart."""
    firsts = np.cumsum([len(times) for times in gaps])[:-1]
    at = tuple(time for times in gaps for time in times)
    columns = [np.split(np.array(at), firsts)]
    for motion in (truth, result):
        chosen = select(motion, at)
        local = chosen.rotations.astype(float)
        columns += [
            np.split(values, firsts)
            for values in (
                skeleton.joint_positions(character, chosen),
                skeleton.global_rotations(character.parents, local),
                _rotation_vectors(local, np.concatenate([[0], firsts])),
            )
        ]
    return [
        _GapArrays(times, p_true, p_got, q_true, q_got, r_true[1:-1], r_got[1:-1])
        for times, p_true, q_true, r_true, p_got, q_got, r_got in zip(*columns, strict=True)
    ]


def _rotation_vectors(
    q: Float[np.ndarray, "frame joint 4"], firsts: Int[np.ndarray, " gap"]
) -> Float[np.ndarray, "frame feature"]:
    """Rotation vectors on the branch that is continuous from the first frame of each gap, so that a turn through pi is
    no jump in the spectrum."""
    # how often the sign changes: up to each frame, less up to the first of its gap, which has none below zero
    change = np.zeros(q.shape[:2], int)
    change[1:] = (q[1:] * q[:-1]).sum(-1) < 0
    changes = np.cumsum(change, axis=0)
    of_gap = np.repeat(firsts, np.diff(np.append(firsts, len(q))))
    negative = (changes - changes[of_gap] + (q[of_gap, :, 0] < 0)) % 2 > 0
    return rotations.log_as_signed(np.where(negative[..., None], -q, q)).reshape(len(q), -1)


def _normalised(power: Float[np.ndarray, "frequency feature"]) -> Float[np.ndarray, "frequency feature"]:
    total = power.sum(0, keepdims=True)
    return power / np.where(total > 0, total, 1)


def _jerk(positions: Float[np.ndarray, "frame joint 3"]) -> float:
    if len(positions) < 4:
        return 0.0
    return float(np.linalg.norm(np.diff(positions, 3, axis=0), axis=-1).sum())


def _ratio(a: float, b: float, empty: float = 1.0) -> float:
    return a / b if b > 0 else empty


def contacts(
    character: Character,
    positions: Float[np.ndarray, "frame joint 3"],
    step: float | Float[np.ndarray, "interval 1"],
) -> Bool[np.ndarray, "interval joint"]:
    """Intervals between frames in which a joint rests on what is its lowest level: low and slow.

    Args:
        character: Gives the up axis.
        positions: World positions [heights].
        step: Time between frames [s].
    """
    up = "XYZ".index(character.up_axis)
    level = positions[..., up]
    low = level - level.min() < CONTACT_HEIGHT
    slow = np.linalg.norm(np.diff(positions, axis=0), axis=-1) / step < CONTACT_SPEED
    return low[1:] & low[:-1] & slow


def _foot_skate(
    character: Character,
    truth: list[Float[np.ndarray, "_ joint 3"]],
    result: list[Float[np.ndarray, "_ joint 3"]],
    step: float,
) -> float | None:
    resting = [contacts(character, positions, step) for positions in truth]
    speeds = [np.linalg.norm(np.diff(positions, axis=0), axis=-1) / step for positions in result]
    moving = np.concatenate([speed[rest] for speed, rest in zip(speeds, resting, strict=True)])
    return float(moving.mean()) if len(moving) else None
