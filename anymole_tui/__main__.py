"""``python -m anymole_tui`` and the ``anymole`` command."""

import atexit
import gc
import os
import sys
import threading

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python looks for cycles to free after 700 new objects; imports make many thousands, and none to free."""


def main() -> None:
    """Run the command line, and end the process without taking it apart."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    from anymole_tui.cli.app import main as command_line  # after that

    try:
        command_line()
    except SystemExit as stop:
        _leave(stop.code)
        raise


def _leave(code: object) -> None:
    """End the process at once, with what is to be done at its end done: freeing every module and all of USD takes a
    tenth of a second, which the system does in no time. Returns where Python must end it: with a message as its code,
    threads to wait for, output that cannot be written, or a profiler that looks on."""
    waited_for = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    watched = sys.getprofile() is not None or sys.gettrace() is not None
    if waited_for or watched or not isinstance(code, int | None):
        return
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code or 0)


if __name__ == "__main__":
    main()
