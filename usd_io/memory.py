"""Memory that is free again, handed back to the system between one thing and the next that takes much of it."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Have the C library hand back what is free: small pieces among the large ones of a long clip keep it from doing so
    by itself. Nothing where it cannot (glibc alone can)."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
