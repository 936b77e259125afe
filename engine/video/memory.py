"""Memory of the video model: what each mode needs, and what to say when it runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from engine.errors import OutOfMemory


@contextmanager
def explain_memory(what: str, remedy: str, *settings: str) -> Iterator[None]:
    """Turn a device's exhausted memory into an error that says what to make smaller, and by which settings."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"Memory of the device ran out while {what}; try {remedy}.", settings=settings
        ) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # what torch says of the processor's memory
            raise
        raise OutOfMemory(f"Memory ran out while {what}; try {remedy}.", settings=settings) from error
