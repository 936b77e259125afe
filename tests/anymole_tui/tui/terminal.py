"""A terminal of our own: the UI as a process behind a pty, what it writes, and what it is fed."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


class Terminal:
    """Runs a command on a pty of a size; use as a context."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int],
        cell: tuple[int, int] = (0, 0),
    ) -> None:
        """``size``: columns and lines; ``cell``: width and height of one in pixels, 0 where nobody says."""
        self._main, side = pty.openpty()
        self._cell = cell
        self._set(size)
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command,
            stdin=side,
            stdout=side,
            stderr=side,
            env={**env, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **environment},
            start_new_session=True,
        )
        os.close(side)
        self.written = self._last = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._main)

    def _set(self, size: tuple[int, int]) -> None:
        pixels = (size[0] * self._cell[0], size[1] * self._cell[1])
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], *pixels))

    def resize(self, size: tuple[int, int]) -> None:
        self._set(size)
        os.kill(self.process.pid, signal.SIGWINCH)

    def send(self, keys: bytes) -> None:
        os.write(self._main, keys)

    def read(self, seconds: float) -> bytes:
        """What is written within a time."""
        end, found = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0 and self._more(left):
            found += self._last
        return found

    def _more(self, seconds: float) -> bool:
        """Whether something is written within a time; it is read at once, and is the last that was."""
        self._last = b""
        if select.select([self._main], [], [], seconds)[0]:
            with suppress(OSError):  # the other side is closed
                self._last = os.read(self._main, 1 << 16)
        self.written += self._last
        return bool(self._last)

    def wait_for(self, *words: bytes) -> float:
        """Until all words have been written; returns the seconds it took. Fails when it takes far too long."""
        started, seen = time.monotonic(), b""
        while not all(word in seen for word in words):
            if time.monotonic() - started > PATIENCE_S:
                raise AssertionError(f"{words!r} were not written; the end was {self.written[-2000:]!r}")
            if self._more(0.02):
                seen += self._last
        return time.monotonic() - started

    def wait_for_all(self, word: bytes) -> bytes:
        """All that is written until something has been, and then until nothing more comes."""
        start = len(self.written)
        self.wait_for(word)
        self.quiet(0.5)
        return self.written[start:]

    def quiet(self, seconds: float) -> None:
        """Until nothing is written for a time."""
        end = time.monotonic() + PATIENCE_S
        while self._more(seconds):
            assert time.monotonic() < end, "it never stops writing"


def tui(target: Path | str, *options: str) -> list[str]:
    """The command that opens the UI."""
    return [sys.executable, "-m", "anymole_tui", "tui", str(target), *options]
