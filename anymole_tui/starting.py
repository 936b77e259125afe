"""Runs that are just being started, so that the end of this process comes after their beginning."""

import threading

LONGEST_S = 5.0
"""So long the end of the UI waits for a start."""
STARTING = threading.Lock()
"""Held from when a run is prepared until its process is there."""


def wait_for_starts(seconds: float = LONGEST_S) -> bool:
    """To be called before this process ends at once: a run that another thread is just starting would else wait for a
    process that never comes.

    Returns:
        Whether none is being started any more.
    """
    free = STARTING.acquire(timeout=seconds)
    if free:
        STARTING.release()
    return free
