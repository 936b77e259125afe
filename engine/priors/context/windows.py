"""Windows of the context, compared with a gap after turning and moving them over the ground.

The comparison is of positions of the joints that move in space (a root that stays at the origin is as far from every
window as that is from the gap) at both ends and, where finished motion touches the gap, of joint velocities,
all in ground space (third axis up). All windows are compared at once through sums over joints that are computed
once per context frame; only the best few are then looked at in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.planning.plan import Gap, Plan
from engine.priors import ground, offsets
from engine.priors.context import cycles, mirror
from engine.priors.context.cycles import VELOCITY_WEIGHT_S
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

SEARCH_RATE = 15.0
"""Context frames per second at which windows may start and end."""
CYCLE_RATE = 30.0
"""The same of what is played on, where windows as near as these are there again and again."""
SEARCH_REACH_S = 10.0
"""How far from a gap the context is searched [s]: bounds the cost for long clips, near motion fits better."""
SHORTEST_WARP, LONGEST_WARP = 0.6, 1.6
"""Lengths of windows in gap lengths; beyond these a played-back motion looks slowed or hurried."""
LONGEST_S = 16.0
"""So long are windows of what is played on [s], which bounds the cost of long gaps."""
WAY_WEIGHT = 0.04
"""So much of a difference between the ways of a window and a gap counts where the way is one cycle of what is played
on, and the less the more cycles it has: who walks with shorter steps has each of them a little nearer."""
PACE_WEIGHT_S = 0.8
"""Of windows of cycles that fit alike the one whose pace is that of the context is meant: what all velocities differ by
counts as the difference in position that it makes in this time [s]."""
MOST_WINDOWS = 128
"""Windows looked at in full."""


@dataclass(frozen=True, eq=False)
class Run:
    """One stretch of context on the search grid."""

    motion: Motion
    """Where to sample: the known motion or its mirror image."""
    is_mirrored: bool
    times: Float[np.ndarray, " node"]
    rate: float
    """Nodes a second."""
    end: int
    """The node at which what is known ends; behind it the last cycle is played on."""
    cycle: float
    """How long that is [s]; 0 if nothing is played on."""
    rotations: Float[np.ndarray, "node joint 4"]
    """Local, as in the motion."""
    poses: Float[np.ndarray, "node carried 3"]
    """Places of the joints of :func:`engine.priors.ground.carried` about their centre, in ground space."""
    centres: Float[np.ndarray, "node 3"]
    """Mean places on the ground."""
    velocities: Float[np.ndarray, "node carried 3"]
    """Per second."""


@dataclass(frozen=True, eq=False)
class Goal:
    """What is known of a gap, of the joints of :func:`engine.priors.ground.carried`, in ground space."""

    poses: Float[np.ndarray, "2 carried 3"]
    """At both ends, about their centres."""
    way: Float[np.ndarray, "3"]
    """From centre to centre."""
    way_weight: float
    """Of a difference in the way, beside one in a pose: 1 but where cycles are played on."""
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
    character: Character,
    known: Motion,
    grids: Sequence[tuple[float, ...]],
    symmetry: mirror.Symmetry | None,
    seconds: float,
    rise: Float[np.ndarray, "3"] = ground.LEVEL,
) -> list[Run]:
    """Context on search grids, as it is and, for a symmetric rig, mirrored; what comes round is played on for gaps that
    are so long [s]. Heights are over ground with such a ``rise`` (:func:`engine.priors.ground.positions`)."""
    second = known.time_codes_per_second
    step = second / SEARCH_RATE
    runs = []
    for times in map(np.array, grids):
        # known frames around the nodes, one step more on either side, so that the sampling has both neighbours
        seen = known.at(np.flatnonzero((known.times >= times[0] - step) & (known.times <= times[-1] + step)))
        last, rate, cycle = times[-1], SEARCH_RATE, 0.0
        inside = seen.at((seen.times >= times[0]) & (seen.times <= times[-1]))
        on = cycles.played_on(character, known, inside, min(LONGEST_WARP * seconds, LONGEST_S), rise)
        if on is not None:
            seen, rate, cycle = on.motion, CYCLE_RATE, on.seconds
            times = np.arange(times[0], seen.times[-1], second / rate)
        end = int(np.argmin(np.abs(times - last)))
        for image in [seen] if symmetry is None else [seen, mirror.mirrored(character, seen, symmetry)]:
            # joint origins in ground space [stage units] and velocities, by second-order differences [stage units/s],
            # of what is known without a look at what is played on
            poses = offsets.sample(image, times)
            positions = ground.positions(character, known, poses, rise)
            velocities = np.gradient(positions, 1 / rate, axis=0, edge_order=2)
            velocities[: end + 1] = np.gradient(positions[: end + 1], 1 / rate, axis=0, edge_order=2)
            centres = ground.centres(positions)
            places = positions - centres[:, None]
            runs.append(
                Run(
                    image,
                    image is not seen,
                    times,
                    rate,
                    end,
                    cycle,
                    poses.rotations,
                    places,
                    centres,
                    velocities,
                )
            )
    return runs


def goal_of(
    character: Character,
    known: Motion,
    gap: Gap,
    runs: list[Run],
    rise: Float[np.ndarray, "3"] = ground.LEVEL,
) -> Goal:
    """The ends of a gap, over ground with such a ``rise``, and, where a run touches them, the velocities there."""
    ends = known.at(offsets.frames_at(known, np.array([gap.start, gap.end])))
    # velocities at the gap's ends are taken from unmirrored context that ends at its start, or starts at its end
    tolerance = 1e-6 * known.frame_step
    real = [run for run in runs if not run.is_mirrored]
    before = [run.velocities[run.end] for run in real if abs(run.times[run.end] - gap.start) < tolerance]
    after = [run.velocities[0] for run in real if abs(run.times[0] - gap.end) < tolerance]
    places = ground.positions(character, known, ends, rise)
    centres = ground.centres(places)
    seconds = (gap.end - gap.start) / known.time_codes_per_second
    cycle = max(run.cycle for run in runs)
    return Goal(
        poses=places - centres[:, None],
        way=centres[1] - centres[0],
        way_weight=min(1.0, WAY_WEIGHT * cycle / seconds) if cycle else 1.0,
        velocities=(before[-1] if before else None, after[-1] if after else None),
        seconds=seconds,
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
    # poses that come round fit after one cycle more or less as well; a mean of both would be neither
    half = np.array([run.cycle or np.inf for run in runs]) / 2
    seconds = _seconds(runs, run, start, end)
    alike = np.abs(seconds - seconds[0]) < np.minimum(half[run], half[run[0]])
    run, start, end, angle = run[alike], start[alike], end[alike], angle[alike]
    return Windows(
        run=run,
        nodes=np.stack([start, end]),
        angle=angle,
        features=_features(runs, goal, run, start, end, angle),
        goal=_goal_features(goal),
    )


def _seconds(
    runs: list[Run],
    run: Int[np.ndarray, " window"],
    start: Int[np.ndarray, " window"],
    end: Int[np.ndarray, " window"],
) -> Float[np.ndarray, " window"]:
    """How long windows are [s]."""
    return np.asarray((end - start) / np.array([its.rate for its in runs])[run])


def _compare(
    run: Run, goal: Goal
) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"], Float[np.ndarray, " w"], Float[np.ndarray, " w"]]:
    """First and last node, best turn and squared misfit of every window of a run."""
    # every pair of nodes whose time apart, in lengths of the gap, is a plausible warp
    count = len(run.times)
    lengths = np.arange(2, count)
    warps = lengths / run.rate / goal.seconds
    lengths = lengths[(warps > SHORTEST_WARP - 1e-6) & (warps < LONGEST_WARP + 1e-6)]
    start = np.repeat(np.arange(count), len(lengths))
    end = start + np.tile(lengths, count)
    start, end = start[end < count], end[end < count]
    warp = (end - start) / run.rate / goal.seconds
    joints = run.poses.shape[1]
    # with p the joints at the window's ends about their centres on the ground and g those at the gap's: `along` =
    # sum p . g and `across` = sum p x g on the ground, `level` = sum of the products of heights, over joints and both
    # ends [stage units^2]
    along, across, level = (
        at_a[start] + at_b[end]
        for at_a, at_b in zip(*(_moments(run.poses, pose) for pose in goal.poses), strict=True)
    )
    # half the ways between the centres, which all joints have, at both ends
    way, goal_way = (
        (run.centres[end] - run.centres[start]) / 2 * goal.way_weight,
        goal.way / 2 * goal.way_weight,
    )
    along = along + 2 * joints * (way @ goal_way)
    across = across + 2 * joints * (way[:, 0] * goal_way[1] - way[:, 1] * goal_way[0])
    # the turn about the up axis of least squares in closed form: cos(w) along + sin(w) across is largest at this w
    angle = np.arctan2(across, along)
    squares = (run.poses**2).sum((1, 2))
    own = squares[start] + squares[end] + 2 * joints * (way**2).sum(-1)
    its = sum((pose**2).sum() for pose in goal.poses) + 2 * joints * (goal_way**2).sum()
    # mean over joints and both ends of |R p - g|^2 [stage units^2]
    fitted = np.cos(angle) * along + np.sin(angle) * across + level
    misfit = (own + its - 2 * fitted) / (2 * joints)
    for velocity, node in zip(goal.velocities, (start, end), strict=True):
        if velocity is not None:
            # played in the gap's time a window's velocities change by its warp; differences under the same turn,
            # times VELOCITY_WEIGHT_S, are lengths that add to the misfit
            moments = [moment[node] * warp for moment in _moments(run.velocities, velocity)]
            turned = np.cos(angle) * moments[0] + np.sin(angle) * moments[1] + moments[2]
            own = (run.velocities**2).sum((1, 2))[node] * warp**2
            misfit = misfit + VELOCITY_WEIGHT_S**2 * (own + (velocity**2).sum() - 2 * turned) / joints
    if run.cycle:
        misfit = misfit + PACE_WEIGHT_S**2 * (run.velocities**2).sum(-1).mean() * (warp - 1) ** 2
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


def _features(
    runs: list[Run],
    goal: Goal,
    run: Int[np.ndarray, " window"],
    start: Int[np.ndarray, " window"],
    end: Int[np.ndarray, " window"],
    angle: Float[np.ndarray, " window"],
) -> Float[np.ndarray, "window feature"]:
    joints = goal.poses.shape[1]
    # both end poses, as far from the middle of their way as it weighs; divided so that sums of squares are means over
    # joints and ends, as the misfit of `_compare` is
    poses = np.stack([runs[r].poses[[i, j]] for r, i, j in zip(run, start, end, strict=True)])
    ways = np.stack(
        [runs[r].centres[j] - runs[r].centres[i] for r, i, j in zip(run, start, end, strict=True)]
    )
    parts = [_with_ways(poses, ways * goal.way_weight) / np.sqrt(2 * joints)]
    warp = _seconds(runs, run, start, end) / goal.seconds
    for velocity, node in zip(goal.velocities, (start, end), strict=True):
        if velocity is not None:
            # velocities at the window's ends as lengths, under the same warp and weight as in `_compare`
            own = np.stack([runs[r].velocities[i] for r, i in zip(run, node, strict=True)])
            parts.append(own * warp[:, None, None] * VELOCITY_WEIGHT_S / np.sqrt(joints))
    # row vectors: turning by R is a product with its transpose
    turned = np.concatenate(parts, 1) @ ground.turn(angle).transpose(0, 2, 1)
    return turned.reshape(len(run), -1)


def _goal_features(goal: Goal) -> Float[np.ndarray, " feature"]:
    joints = goal.poses.shape[1]
    # as in `_features`, with nothing to turn or to warp
    parts = [_with_ways(goal.poses[None], goal.way[None] * goal.way_weight)[0] / np.sqrt(2 * joints)]
    parts += [v * VELOCITY_WEIGHT_S / np.sqrt(joints) for v in goal.velocities if v is not None]
    return np.concatenate(parts).ravel()


def _with_ways(
    poses: Float[np.ndarray, "window 2 joint 3"], ways: Float[np.ndarray, "window 3"]
) -> Float[np.ndarray, "window end 3"]:
    """Both poses in one space, half a way before and behind its middle."""
    apart = ways[:, None, None] * np.array([-0.5, 0.5])[:, None, None]
    return (poses + apart).reshape(len(poses), -1, 3)
