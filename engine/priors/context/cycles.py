"""Context that comes round to poses that it had, as a walk does after two steps, played on beyond its end.

No window of the context is longer than the context, and few begin at the pose of a gap. What repeats itself has
windows of any length and phase, once the cycle that it ends with is put behind it again and again, each time moved and
turned over the ground by what the cycle goes.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import rotations
from engine.priors import ground, offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float

RATE = 30.0
"""Poses a second that are compared; the best lag is found between them."""
SHORTEST_S = 0.35
"""No cycle is shorter [s]: what trembles comes round all the time."""
OVERLAP = 0.1
"""The context shows at least this part of a second cycle: else nothing says that it comes round."""
CLOSE = 0.3
"""Poses of a cycle come again this near, in parts of how far any two poses are apart (root mean squares)."""
NEARLY, TINY = 1.2, 0.02
"""A longer cycle is taken where it comes again nearly as near as the nearest: so many times, or so much [as above]."""
CLOSED, PASSES, ALONG = 0.1, 0.5, 0.5
"""A stretch is one whole cycle if its last pose is this near to its first, likewise, and it is so fast at both, in
parts of its median, in about one direction (a cosine): a blow from a guard that stands still, and back, is none."""
CLOSE_JOINT = 0.5
"""A joint that comes no nearer to its own rotations than this, likewise, does not come round with the others: as a head
that looks to one side once, it stays as it is."""
DIP_S = 0.1
"""A lag of a cycle is nearer than those up to so much shorter and longer [s], which is not the slope of a slow drift,
and than half of what some shorter one is."""
VELOCITY_WEIGHT_S = 0.1
"""A difference in velocity counts as the difference in position that it makes in this time [s]."""


@dataclass(frozen=True, eq=False)
class PlayedOn:
    """Context with its last cycle behind it again and again."""

    motion: Motion
    seconds: float
    """Of the cycle."""


def played_on(
    character: Character,
    known: Motion,
    seen: Motion,
    seconds: float,
    rise: Float[np.ndarray, "3"] = ground.LEVEL,
) -> PlayedOn | None:
    """A stretch of context, played on by its cycle for so long [s]; None where it does not come round.

    Args:
        character: The skeleton.
        known: The known frames only.
        seen: Those of the stretch.
        seconds: At least so long beyond its end.
        rise: Of the ground under it, for each unit of way along the axes of ground space.
    """
    second = seen.time_codes_per_second
    count = int((seen.times[-1] - seen.times[0]) / second * RATE + 1e-6)
    # the last node is the last frame
    times = seen.times[-1] - np.arange(count, -1, -1) * second / RATE
    positions = ground.positions(character, known, offsets.sample(seen, times), rise)
    lag = _lag(positions)
    if lag is None:
        return None
    period = lag * second / RATE
    begin = seen.times[-1] - period
    ends = offsets.sample(seen, np.array([begin, seen.times[-1]]))
    before, after = ground.positions(character, known, ends, rise)
    R, shift = ground.moved(before, after)
    shift[2] = rise @ (ground.centres(after) - ground.centres(before))
    # where it ends is not quite where it began: a cycle begins where the one before it ends, and comes back to itself
    first, last = ends.at(slice(0, 1)), ground.move(character, known, ends.at(slice(1, 2)), R.T, -R.T @ shift)
    cycle = seen.at(np.flatnonzero(seen.times > begin))
    left = 1 - (cycle.times - begin) / period
    cycle = offsets.apply(cycle, left[:, None, None] * offsets.offsets_from(first, last))
    stays = _stays(seen, period)
    stays[ground.carriers(character, known)] = False
    cycle.rotations[:, stays] = seen.rotations[-1, stays]
    parts = [seen]
    turned, gone = np.eye(3), np.zeros(3)
    for number in range(1, int(np.ceil(seconds * second / period)) + 1):
        turned, gone = R @ turned, R @ gone + shift
        later = replace(cycle, times=cycle.times + number * period)
        parts.append(ground.move(character, known, later, turned, gone))
    return PlayedOn(_in_a_row(parts), period / second)


def _stays(seen: Motion, period: float) -> Bool[np.ndarray, " joint"]:
    """Joints whose rotations do not come again after a cycle [time codes]."""
    q = seen.rotations.astype(float)
    again = np.flatnonzero(seen.times >= seen.times[0] + period)
    earlier = offsets.sample(seen, seen.times[again] - period).rotations.astype(float)
    apart = (rotations.angle_between(earlier, q[again]) ** 2).mean(0)
    # twice the mean square about the middle is that between any two
    middle = rotations.normalise(q.mean(0))
    spread = 2 * (rotations.angle_between(np.broadcast_to(middle, q.shape), q) ** 2).mean(0)
    return np.asarray(apart > CLOSE_JOINT**2 * spread)


def _lag(positions: Float[np.ndarray, "node joint 3"]) -> float | None:
    """After how many nodes the poses of a stretch come again, on whatever place of the ground; None if they do not."""
    if len(positions) <= SHORTEST_S * RATE:
        return None
    apart = _apart(positions)
    if (spread := float(apart.mean())) <= 0:
        return None
    if (found := _shown_again(apart, spread)) is not None:
        return found
    return float(len(positions) - 1) if _closed(positions, spread) else None


def _closed(positions: Float[np.ndarray, "node joint 3"], spread: float) -> bool:
    """Whether a stretch is one whole cycle and no more: it passes its first pose once more as it ends.

    Args:
        positions: Of its poses.
        spread: Mean square of how far any two of them are apart.
    """
    R, shift = ground.moved(positions[0], positions[-1])
    missing = positions[-1] - positions[0] @ R.T - shift
    steps = np.diff(positions, axis=0)
    speeds = np.linalg.norm(steps, axis=(1, 2))
    first, last = steps[0] @ R.T, steps[-1]
    return bool(
        (missing**2).sum(-1).mean() < CLOSED**2 * spread
        and min(speeds[0], speeds[-1]) > PASSES * np.median(speeds)
        and (first * last).sum() > ALONG * speeds[0] * speeds[-1]
    )


def _shown_again(apart: Float[np.ndarray, "node node"], spread: float) -> float | None:
    """:func:`_lag` where a part of a second cycle is shown.

    Args:
        apart: Of :func:`_apart`.
        spread: Its mean.
    """
    nodes = np.arange(int(SHORTEST_S * RATE), int((len(apart) - 1) / (1 + OVERLAP)) + 1)
    if len(nodes) < 3:
        return None
    # how unlike poses are that are so many nodes apart, beside how unlike any two are
    unlike = np.sqrt([np.diagonal(apart, lag).mean() / spread for lag in nodes])
    near = max(1, round(DIP_S * RATE))
    dips = [
        u <= unlike[max(k - near, 0) : k + near + 1].min() and 2 * u < unlike[:k].max(initial=0)
        for k, u in enumerate(unlike)
    ]
    least = unlike[dips].min(initial=np.inf)
    if least > CLOSE:
        return None
    at = int(np.flatnonzero(dips & (unlike <= max(NEARLY * least, least + TINY)))[-1])
    if at in (0, len(nodes) - 1):
        return float(nodes[at])
    # the least of the parabola of squares through the lag and its neighbours
    a, b, c = unlike[at - 1 : at + 2] ** 2
    bend = a - 2 * b + c
    return float(nodes[at] + (np.clip((a - c) / (2 * bend), -0.5, 0.5) if bend > 0 else 0.0))


def _apart(positions: Float[np.ndarray, "node joint 3"]) -> Float[np.ndarray, "node node"]:
    """Mean squares over joints of the distances between all pairs of poses, moved and turned over the ground to fit,
    and of those of their velocities [stage units^2]."""
    poses = positions - ground.centres(positions)[:, None]
    lengths = np.gradient(positions, 1 / RATE, axis=0) * VELOCITY_WEIGHT_S
    products = _products(poses)
    # the turn about the up axis that fits both poses best, in closed form
    angle = np.arctan2(products[1], products[0])
    result = np.zeros_like(angle)
    for values, (along, across, level) in ((poses, products), (lengths, _products(lengths))):
        squares = (values**2).sum((1, 2))
        fitted = np.cos(angle) * along + np.sin(angle) * across + level
        result += squares[:, None] + squares - 2 * fitted
    return np.maximum(result, 0) / positions.shape[1]


def _products(
    values: Float[np.ndarray, "node joint 3"],
) -> tuple[Float[np.ndarray, "node node"], Float[np.ndarray, "node node"], Float[np.ndarray, "node node"]]:
    """Sums over joints of products of all pairs: along and across on the ground, and upwards."""
    x, y, z = np.moveaxis(values, -1, 0)
    return x @ x.T + y @ y.T, x @ y.T - y @ x.T, z @ z.T


def _in_a_row(parts: list[Motion]) -> Motion:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return replace(
        parts[0],
        times=joined("times"),
        translations=joined("translations"),
        rotations=rotations.continuous(joined("rotations")),
        scales=joined("scales"),
        T_world_skel=joined("T_world_skel"),
        blend_weights=None,
        blend_shapes=(),
    )
