"""The process that draws pictures, seen from here: started when the first one is wanted, ended with the app."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from anymole_tui.widgets.picture import Pixels
from engine.errors import EngineError

LARGEST_PX = 4096


class StillsProcess:
    """Draws one picture at a time, in a process of its own (:mod:`engine.stills`)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()

    def draw(self, request: Mapping[str, Any]) -> Pixels:
        """A picture; waits for it. To be called in a thread.

        Raises:
            EngineError: It cannot be drawn, or the process has ended.
        """
        with self._guard:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                header = json.loads(process.stdout.readline())
                if "error" in header:
                    raise EngineError(str(header["error"]))
                height, width = int(header["height"]), int(header["width"])
                pixels = process.stdout.read(height * width * 3)
                return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
            except (OSError, ValueError, KeyError) as error:
                self._end()
                raise EngineError(
                    "the process that draws pictures has ended; the next picture starts it anew."
                ) from error

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.stills"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process, also while it draws."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
