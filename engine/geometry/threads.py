"""Linear algebra in one thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


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
