"""A motion prior: known frames in, the frames between them out."""

from dataclasses import replace

import numpy as np

from anymole import Character, Motion, Plan, resample


def ease(character: Character, known: Motion, plan: Plan) -> Motion:
    """Go from key to key with slow starts and ends, as an animator's default does.

    Args:
        character: The skeleton; an ease treats all alike.
        known: Context and keys only.
        plan: Gives the times to fill.

    Returns:
        The motion at ``plan.fill_times``.
    """
    times = plan.fill_times
    # the known samples around each time: the times to fill lie strictly between them
    after = np.searchsorted(known.times, times)
    before, after = known.times[after - 1], known.times[after]
    share = (times - before) / (after - before)
    eased = share * share * (3 - 2 * share)  # the cubic that starts and ends at rest
    return replace(resample(known, before + eased * (after - before)), times=times)
