"""A process of ours that answers lines on its stdin: what would hold up the keyboard works there."""

import subprocess
import sys
from contextlib import suppress


class Service:
    """Started when it is first needed, and again after its end; ended with :meth:`close`."""

    def __init__(self, module: str) -> None:
        """``module``: run as ``python -m``."""
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def running(self) -> "subprocess.Popen[bytes]":
        """The process, with pipes on stdin and stdout."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self._process

    def end(self) -> None:
        """End the process and wait until it is gone."""
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process at once, also while it works; waits for nothing."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
