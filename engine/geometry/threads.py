"""Linear algebra in one thread, and large pieces of it side by side."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Given = TypeVar("Given")
Made = TypeVar("Made")
MOST_THREADS = 4
"""More processors than this gain little: what lies between the pieces is done by one."""
PIECES_PER_THREAD = 2
"""Fewer than this a thread is not started for."""


@cache
def _libraries() -> ThreadpoolController:
    """Those that numpy has loaded; to look for them takes as long as a gap."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread within: sums in one order give a resumed run the same bits, and threads that wait for so little work
    cost more than they bring, the more so the more processors there are."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


def side_by_side(function: Callable[[Given], Made], pieces: Sequence[Given]) -> Generator[Made, None, None]:
    """What a function makes of pieces of work, in their order; many pieces are done on several processors, each in one
    thread, with the same results to the bit.

    Few pieces are done one after another: threads would cost more than they bring. Work that has not begun is left out
    when the iteration ends early. ``OMP_NUM_THREADS`` says how many processors to use, as it does for libraries.
    """
    threads = min(usable_threads(), len(pieces) // PIECES_PER_THREAD)
    if threads <= 1:
        yield from map(function, pieces)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(function, pieces)
    finally:
        pool.shutdown(cancel_futures=True)


def usable_threads() -> int:
    """How many threads of ours may work at once, 1 to :data:`MOST_THREADS`."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isascii() and asked.isdigit() and int(asked) > 0:
        return min(int(asked), MOST_THREADS)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
