"""Windows of the context, compared with a gap after turning and moving them over the ground.

The comparison is of positions of the joints that move in space (a root that stays at the origin is as far from every
window as that is from the gap) at both ends and, where finished motion touches the gap, of joint velocities,
all in ground space (third axis up). All windows are compared at once through sums over joints that are computed
once per context frame; only the best few are then looked at in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.geometry import skeleton
from engine.planning.plan import Gap, Plan
from engine.priors import ground, mirror, offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

SEARCH_RATE = 15.0
"""Context frames per second at which windows may start and end."""
SEARCH_REACH_S = 10.0
"""How far from a gap the context is searched [s]: bounds the cost for long clips, near motion fits better."""
SHORTEST_WARP, LONGEST_WARP = 0.6, 1.6
"""Lengths of windows in gap lengths; beyond these a played-back motion looks slowed or hurried."""
VELOCITY_WEIGHT_S = 0.1
"""A difference in velocity counts as the difference in position that it makes in this time [s]."""
MOST_WINDOWS = 128
"""Windows looked at in full."""


@dataclass(frozen=True, eq=False)
class Run:
    """One stretch of context on the search grid."""

    motion: Motion
    """Where to sample: the known motion or its mirror image."""
    is_mirrored: bool
    times: Float[np.ndarray, " node"]
    rotations: Float[np.ndarray, "node joint 4"]
    """Local, as in the motion."""
    positions: Float[np.ndarray, "node carried 3"]
    """Of the joints of :func:`engine.priors.ground.carried`, in ground space."""
    velocities: Float[np.ndarray, "node carried 3"]
    """Per second."""


@dataclass(frozen=True, eq=False)
class Goal:
    """What is known of a gap, of the joints of :func:`engine.priors.ground.carried`, in ground space."""

    ends: Float[np.ndarray, "2 carried 3"]
    velocities: tuple[Float[np.ndarray, "carried 3"] | None, Float[np.ndarray, "carried 3"] | None]
    """At the start and at the end, None where no finished motion touches."""
    seconds: float


@dataclass(frozen=True, eq=False)
class Windows:
    """The best windows for one gap."""

    run: Int[np.ndarray, " window"]
    nodes: Int[np.ndarray, "2 window"]
    """Of its run, at which it starts and ends."""
    angle: Float[np.ndarray, " window"]
    """By which each is turned about the up axis to fit [rad]."""
    features: Float[np.ndarray, "window feature"]
    goal: Float[np.ndarray, " feature"]
    """The gap's features: mean squares over joints are squared distances [stage units^2]."""


def grids_near(known: Motion, plan: Plan, gap: Gap) -> list[tuple[float, ...]]:
    """Times of the search grid in every context near a gap, the same for gaps that have the same context near."""
    second = known.time_codes_per_second
    # time codes between nodes of the search grid, and of the reach on either side of the gap
    step, reach = second / SEARCH_RATE, SEARCH_REACH_S * second
    grids = []
    for context in plan.contexts:
        # the stretch of this context within reach of the gap [time codes]; three intervals are the least for a window
        start, end = max(context[0], gap.start - reach), min(context[1], gap.end + reach)
        count = int((end - start) / step + 1e-6) if end > start else 0
        if count < 3:
            continue
        # the grid starts at the side of the gap, so that the pose there is a node
        steps = np.arange(count + 1) * step
        grids.append(tuple((end - steps[::-1] if end <= gap.start else start + steps).tolist()))
    return grids


def runs_on(
    character: Character, known: Motion, grids: Sequence[tuple[float, ...]], symmetry: mirror.Symmetry | None
) -> list[Run]:
    """Context on search grids, as it is and, for a symmetric rig, mirrored."""
    step = known.time_codes_per_second / SEARCH_RATE
    axes, carried = ground.T_ground_skel(character, known), ground.carried(character, known)
    runs = []
    for times in map(np.array, grids):
        # known frames around the nodes, one step more on either side, so that the sampling has both neighbours
        inside = (known.times >= times[0] - step) & (known.times <= times[-1] + step)
        seen = known.at(np.flatnonzero(inside))
        for image in [seen] if symmetry is None else [seen, mirror.mirrored(character, seen, symmetry)]:
            # joint origins in ground space [stage units] and velocities, by second-order
            # differences [stage units/s]
            poses = offsets.sample(image, times)
            positions = ground_positions(character, poses, axes)[:, carried]
            velocities = np.gradient(positions, 1 / SEARCH_RATE, axis=0, edge_order=2)
            runs.append(Run(image, image is not seen, times, poses.rotations, positions, velocities))
    return runs


def ground_positions(
    character: Character, motion: Motion, axes: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "frame joint 3"]:
    """Joint origins in ground space [stage units]."""
    return skeleton.joint_transforms(character, motion)[..., :3, 3] @ axes.T


def goal_of(character: Character, known: Motion, gap: Gap, runs: list[Run]) -> Goal:
    """The ends of a gap and, where a run touches them, the velocities there."""
    axes = ground.T_ground_skel(character, known)
    ends = known.at(offsets.frames_at(known, np.array([gap.start, gap.end])))
    # velocities at the gap's ends are taken from unmirrored context that ends at its start, or starts at its end
    tolerance = 1e-6 * known.frame_step
    real = [run for run in runs if not run.is_mirrored]
    before = [run.velocities[-1] for run in real if abs(run.times[-1] - gap.start) < tolerance]
    after = [run.velocities[0] for run in real if abs(run.times[0] - gap.end) < tolerance]
    return Goal(
        ends=ground_positions(character, ends, axes)[:, ground.carried(character, known)],
        velocities=(before[-1] if before else None, after[-1] if after else None),
        seconds=(gap.end - gap.start) / known.time_codes_per_second,
    )


def best_windows(runs: list[Run], goal: Goal) -> Windows | None:
    """The windows that fit best, None where the context is too short for any."""
    found = [_compare(run, goal) for run in runs]
    sizes = [len(f[0]) for f in found]
    if not sum(sizes):
        return None
    start, end, angle, misfit = (np.concatenate(column) for column in zip(*found, strict=True))
    run = np.repeat(np.arange(len(runs)), sizes)
    # the least misfit of all runs and windows; a stable order keeps equal ones in theirs
    best = np.argsort(misfit, kind="stable")[:MOST_WINDOWS]
    run, start, end, angle = run[best], start[best], end[best], angle[best]
    return Windows(
        run=run,
        nodes=np.stack([start, end]),
        angle=angle,
        features=_features(runs, goal, run, start, end, angle),
        goal=_goal_features(goal),
    )


def _compare(
    run: Run, goal: Goal
) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"], Float[np.ndarray, " w"], Float[np.ndarray, " w"]]:
    """First and last node, best turn and squared misfit of every window of a run."""
    # every pair of nodes whose time apart, in lengths of the gap, is a plausible warp
    nodes = np.arange(len(run.times))
    start, end = (grid.ravel() for grid in np.meshgrid(nodes, nodes, indexing="ij"))
    warp = (end - start) / SEARCH_RATE / goal.seconds
    fits = (warp > SHORTEST_WARP - 1e-6) & (warp < LONGEST_WARP + 1e-6) & (end - start >= 2)
    start, end, warp = start[fits], end[fits], warp[fits]
    joints = run.positions.shape[1]
    # a, b: the gap's ends about their common centre on the ground; `middle`: each window's own [stage units]
    centre = _ground_centre(goal.ends.reshape(-1, 3))
    a, b = goal.ends - centre
    middle = (run.positions.mean(1)[start] + run.positions.mean(1)[end]) / 2
    middle[:, 2] = 0
    # with p the joints at the window's ends and g those at the gap's: `along` = sum p . g and `across` = sum p x g on
    # the ground, `level` = sum of the products of heights, over joints and both ends [stage units^2]
    along, across, level = (
        at_a[start] + at_b[end]
        for at_a, at_b in zip(_moments(run.positions, a), _moments(run.positions, b), strict=True)
    )
    # moments about the window's own middle: sum (p - m) . a = sum p . a - m . sum a
    total = (a + b).sum(0)
    along = along - middle[:, :2] @ total[:2]
    across = across - (middle[:, 0] * total[1] - middle[:, 1] * total[0])
    # the turn about the up axis of least squares in closed form: cos(w) along + sin(w) across is largest at this w
    angle = np.arctan2(across, along)
    # sum |p - m|^2 = sum |p|^2 - 2 m . sum p + 2 joints |m|^2, from sums per node
    squares, sums = (run.positions**2).sum((1, 2)), run.positions.sum(1)
    own = squares[start] + squares[end] - 2 * ((sums[start] + sums[end]) * middle).sum(-1)
    own = own + 2 * joints * (middle**2).sum(-1)
    # mean over joints and both ends of |R (p - m) - g|^2 [stage units^2]
    fitted = np.cos(angle) * along + np.sin(angle) * across + level
    misfit = (own + (a**2).sum() + (b**2).sum() - 2 * fitted) / (2 * joints)
    for velocity, node in zip(goal.velocities, (start, end), strict=True):
        if velocity is not None:
            # played in the gap's time a window's velocities change by its warp; differences under the same turn,
            # times VELOCITY_WEIGHT_S, are lengths that add to the misfit
            moments = [moment[node] * warp for moment in _moments(run.velocities, velocity)]
            turned = np.cos(angle) * moments[0] + np.sin(angle) * moments[1] + moments[2]
            own = (run.velocities**2).sum((1, 2))[node] * warp**2
            misfit = misfit + VELOCITY_WEIGHT_S**2 * (own + (velocity**2).sum() - 2 * turned) / joints
    return start, end, angle, misfit


def _moments(
    values: Float[np.ndarray, "node joint 3"], goal: Float[np.ndarray, "joint 3"]
) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Sums over joints of products with the goal: along and across on the ground, and upwards."""
    # z is up: along = x gx + y gy, across = x gy - y gx
    flat = values.reshape(len(values), -1)
    x, y, z = np.eye(3)
    along = flat @ (goal * (x + y)).ravel()
    across = flat @ np.stack([goal[:, 1], -goal[:, 0], 0 * goal[:, 0]], -1).ravel()
    return along, across, flat @ (goal * z).ravel()


def _ground_centre(points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "3"]:
    """Mean place on the ground; heights stay as they are."""
    return points.mean(0) * np.array([1, 1, 0])


def _features(
    runs: list[Run],
    goal: Goal,
    run: Int[np.ndarray, " window"],
    start: Int[np.ndarray, " window"],
    end: Int[np.ndarray, " window"],
    angle: Float[np.ndarray, " window"],
) -> Float[np.ndarray, "window feature"]:
    joints = goal.ends.shape[1]
    # both end poses about their common centre on the ground; divided so that sums of squares are means over joints
    # and ends, as the misfit of `_compare` is
    ends = np.stack([runs[r].positions[[i, j]] for r, i, j in zip(run, start, end, strict=True)])
    centred = ends - ends.mean((1, 2), keepdims=True) * np.array([1, 1, 0])
    parts = [centred.reshape(len(run), -1, 3) / np.sqrt(2 * joints)]
    warp = (end - start) / SEARCH_RATE / goal.seconds
    for velocity, node in zip(goal.velocities, (start, end), strict=True):
        if velocity is not None:
            # velocities at the window's ends as lengths, under the same warp and weight as in `_compare`
            own = np.stack([runs[r].velocities[i] for r, i in zip(run, node, strict=True)])
            parts.append(own * warp[:, None, None] * VELOCITY_WEIGHT_S / np.sqrt(joints))
    # row vectors: turning by R is a product with its transpose
    turned = np.concatenate(parts, 1) @ ground.turn(angle).transpose(0, 2, 1)
    return turned.reshape(len(run), -1)


def _goal_features(goal: Goal) -> Float[np.ndarray, " feature"]:
    joints = goal.ends.shape[1]
    # as in `_features`, with nothing to turn or to warp
    parts = [(goal.ends - _ground_centre(goal.ends.reshape(-1, 3))).reshape(-1, 3) / np.sqrt(2 * joints)]
    parts += [v * VELOCITY_WEIGHT_S / np.sqrt(joints) for v in goal.velocities if v is not None]
    return np.concatenate(parts).ravel()
