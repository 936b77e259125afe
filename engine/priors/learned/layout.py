"""When the network looks: times before, inside and after a gap, all in parts of the gap's own length.

Time in units of the gap makes one network serve every frame rate and gaps from a quarter of a second to three
seconds; the length itself [s] is one of its inputs.
"""

from collections.abc import Sequence

import numpy as np

from engine.geometry import skeleton
from usd_io.shapes import Float, Int

BEFORE = np.concatenate([-np.arange(1, 13) / 12, -1 - np.arange(1, 17) / 8])
"""Fine for one gap length, coarser up to three: the context ahead of the third of three gaps is still seen."""
AFTER = np.concatenate([1 + np.arange(1, 13) / 12, 2 + np.arange(1, 9) / 8])
INSIDE = np.arange(1, 16) / 16
"""Where the residual is trained; it is defined at all times."""
OUTSIDE = np.concatenate([BEFORE, [0.0, 1.0], AFTER])
TIMES = np.concatenate([OUTSIDE, INSIDE])
"""All times of a sample: first what is known, then the straight motion in the gap."""
START, END = len(BEFORE), len(BEFORE) + 1
"""Places of the gap's start and end in :data:`OUTSIDE` and :data:`TIMES`."""
STEP_FROM = np.concatenate(
    [[START], np.arange(START - 1), [START, END], np.arange(END + 1, len(OUTSIDE) - 1)]
)
STEP_TO = np.concatenate([np.arange(START), [END], np.arange(END + 1, len(OUTSIDE))])
STEPS = OUTSIDE[STEP_TO] - OUTSIDE[STEP_FROM]
"""Steps from one outside time to the next, away from the gap, and one across it: what velocities are taken over."""
GIVEN, BETWEEN, BEYOND, FILLED = 0, 1, 2, 3
"""State of a time outside the gap: finished motion or a key, straight between keys, held past the last known pose, or
filled by an earlier pass."""


def states(
    times: Float[np.ndarray, "*batch time"],
    contexts: Sequence[tuple[float, float]],
    keys: Sequence[float],
) -> Int[np.ndarray, "*batch time"]:
    """State of times outside gaps, all in one unit."""
    given = np.array([*contexts, *((key, key) for key in keys)], float)
    given = given[np.argsort(given[:, 0])]
    first, last = given[0, 0], given[:, 1].max()
    margin = 1e-6 * max(last - first, 1e-9)
    result = np.full(times.shape, BETWEEN)
    result[(times < first - margin) | (times > last + margin)] = BEYOND
    # a time is given if any of the spans that start before it ends behind it
    latest = np.concatenate([[-np.inf], np.maximum.accumulate(given[:, 1] + margin)])
    result[times <= latest[np.searchsorted(given[:, 0] - margin, times, side="right")]] = GIVEN
    return result


def anchors(
    times: Float[np.ndarray, " time"],
    contexts: Sequence[tuple[float, float]],
    keys: Sequence[float],
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """Known times before and after each time and the part gone by between them; equal inside a context and beyond
    the ends."""
    known = np.array(sorted({*keys, *(t for context in contexts for t in context)}))
    clipped = np.clip(times, known[0], known[-1])
    after = np.clip(np.searchsorted(known, clipped), 1, max(len(known) - 1, 1))
    before, after = known[after - 1], known[np.minimum(after, len(known) - 1)]
    given = np.zeros(len(times), bool)
    for start, end in contexts:
        given |= (clipped >= start) & (clipped <= end)
    before, after = np.where(given, clipped, before), np.where(given, clipped, after)
    span = after - before
    return before, after, np.where(span > 0, (clipped - before) / np.where(span > 0, span, 1), 0.0)


def places_in_tree(
    parents: Int[np.ndarray, " joint"],
) -> tuple[Int[np.ndarray, " joint"], Int[np.ndarray, " joint"]]:
    """Depth of each joint, and how many joints lie below it, itself included. Parents come first."""
    carries = skeleton.subtrees(parents)
    return carries.sum(0) - 1, carries.sum(1)
