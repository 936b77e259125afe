"""The process that draws pictures, seen from here: started when the first one is wanted, ended with the app."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from anymole_tui.graphics import Pixels
from anymole_tui.service import Service
from engine.errors import EngineError


class StillsProcess:
    """Draws one picture at a time, in a process of its own (:mod:`engine.stills`)."""

    def __init__(self) -> None:
        self._service = Service("engine.stills")
        self._guard = threading.Lock()

    def draw(self, request: Mapping[str, Any]) -> Pixels:
        """A picture; waits for it. To be called in a thread.

        Raises:
            EngineError: It cannot be drawn, or the process has ended.
        """
        with self._guard:
            process = self._service.running()
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
                self._service.end()
                raise EngineError(
                    "the process that draws pictures has ended; the next picture starts it anew."
                ) from error

    def close(self) -> None:
        """End the process, also while it draws."""
        self._service.close()
