"""How many threads torch draws with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DEFAULT_THREADS = 1
"""The work is thousands of small steps: a second thread gains little when it has a core to itself and costs a
multiple of the time when other programs want that core too (docs/measurements.md)."""


@contextmanager
def limited_threads(threads: int = DEFAULT_THREADS) -> Iterator[None]:
    """Let torch use some number of threads inside the block; 0 changes nothing."""
    before = torch.get_num_threads()
    try:
        if threads:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)
