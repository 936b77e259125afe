"""The plots of a report: how fast the joints move, and how far off they are, known or expected."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.geometry.skeleton import joint_positions
from engine.report.charts import Chart
from engine.report.contents import RESULT, SLERP, TRUTH, Actor, Contents
from engine.report.words import joint_error
from usd_io.shapes import Float

EXPECTED = "expected"


def charts(contents: Contents) -> tuple[Chart, ...]:
    """Joint speed of slerp, the result and the truth; and the error, where something is known of it."""
    actors = contents.actors
    names = [name for name in actors[0].takes if name in (SLERP, RESULT, TRUTH)]
    positions = {name: _positions(actors, name) for name in names}
    keys = sorted({key for actor in actors for key in actor.plan.keys})
    marks = [key for key in keys if contents.times[0] <= key <= contents.times[-1]]
    speeds = {name: _speed(p, contents.frames_per_second) for name, p in positions.items()}
    found = [Chart("Mean joint speed", "heights/s", contents.times, speeds, {}, marks)]
    errors = {}
    if TRUTH in positions:
        errors = {name: 100 * _distance(positions[name], positions[TRUTH]) for name in names if name != TRUTH}
    expected = [100 * _expected(contents, actor) for actor in actors]
    bands = {}
    if any(np.isfinite(line).any() for line in expected):
        errors[EXPECTED] = _mean(expected)
        low, high = ([100 * _range(contents, actor, side) for actor in actors] for side in (0, 1))
        if all(np.isfinite(line).any() for line in (*low, *high)):
            bands[EXPECTED] = _mean(low), _mean(high)
    if errors:
        title = "How far off a joint is" if TRUTH in positions else "How far off a joint is expected to be"
        found.append(Chart(title, "% of the height", contents.times, errors, bands, marks))
    return tuple(found)


def _positions(actors: Sequence[Actor], name: str) -> Float[np.ndarray, "frame joint 3"]:
    """World positions of the joints of all characters [heights]."""
    return np.concatenate([joint_positions(a.character, a.takes[name]) / a.height for a in actors], axis=1)


def _speed(positions: Float[np.ndarray, "frame joint 3"], rate: float) -> Float[np.ndarray, " frame"]:
    moved = np.gradient(positions, axis=0) if len(positions) > 1 else 0 * positions
    speed: Float[np.ndarray, " frame"] = np.linalg.norm(moved, axis=-1).mean(1) * rate
    return speed


def _distance(
    positions: Float[np.ndarray, "frame joint 3"], truth: Float[np.ndarray, "frame joint 3"]
) -> Float[np.ndarray, " frame"]:
    """Root mean square over the joints."""
    distance: Float[np.ndarray, " frame"] = np.sqrt(((positions - truth) ** 2).sum(-1).mean(1))
    return distance


def _expected(contents: Contents, actor: Actor) -> Float[np.ndarray, " frame"]:
    """The expected error of every gap at its frames, NaN elsewhere [heights]."""
    return _per_gap(contents, actor, lambda choice: choice.get("expected_l2p"))


def _range(contents: Contents, actor: Actor, side: int) -> Float[np.ndarray, " frame"]:
    return _per_gap(contents, actor, lambda choice: (choice.get("expected_range") or (None, None))[side])


def _per_gap(contents: Contents, actor: Actor, value: Any) -> Float[np.ndarray, " frame"]:
    line = np.full(len(contents.times), np.nan)
    for choice in choices(actor.scores):
        found = value(choice)
        if isinstance(found, (int, float)):
            inside = (contents.times > choice["start"]) & (contents.times < choice["end"])
            line[inside] = joint_error(float(found), len(actor.character.joints))
    return line


def choices(scores: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the self-test says of every gap."""
    return list(scores["self_test"]["choices"])


def _mean(lines: Sequence[Float[np.ndarray, " frame"]]) -> Float[np.ndarray, " frame"]:
    """Mean over the characters that have a value at a frame."""
    values = np.stack(lines)
    known = np.isfinite(values)
    counts = known.sum(0)
    total = np.where(known, values, 0).sum(0)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
