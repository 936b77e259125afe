"""``python -m anymole_tui`` and the ``anymole`` command."""

import atexit
import ctypes
import gc
import os
import sys
from contextlib import suppress

OBJECTS_BETWEEN_COLLECTIONS = 300_000
"""Python looks for cycles to free after 700 new objects; imports make many thousands, and none to free."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of settings in glibc's malloc.h."""
KEPT_AT_THE_END, LARGEST_KEPT = 256 << 20, 32 << 20
"""Free memory above all that is in use [bytes], and the largest array whose memory is kept (the most glibc takes)."""
INTERRUPTED = 130
"""``ExitCode.INTERRUPTED``, before it can be imported."""


def main() -> None:
    """Run the command line, and end the process without taking it apart."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    keep_freed_memory()
    codes: list[object] = []
    atexit.register(_leave, codes)  # the first to register is the last to be called
    try:
        from anymole_tui.cli.app import main as command_line  # after that
    except KeyboardInterrupt:  # before anything has begun
        sys.stderr.write("anymole: stopped by the user.\n")
        sys.exit(INTERRUPTED)
    try:
        command_line()
    except SystemExit as stop:
        codes.append(stop.code)
        raise


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next array: it hands back at once what is larger than some hundred
    kilobytes, and pages that are given anew take as long as computing with them. Nothing where it cannot (glibc alone
    can)."""
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, KEPT_AT_THE_END)
        library.mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)


def _leave(codes: list[object]) -> None:
    """End the process at once, when all else is done that is to be done at its end: freeing every module and all of USD
    takes a tenth of a second, which the system does in no time. Returns where Python must end it: after an error of
    its own, with a message for a code, with output that cannot be written, or before a profiler that looks on."""
    watched = sys.getprofile() is not None or sys.gettrace() is not None
    if watched or not codes or not isinstance(codes[0], int | None):
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(codes[0] or 0)


if __name__ == "__main__":
    main()
