"""The processes of ours that draw pictures and make self-tests, seen from here: what would hold up the keyboard works
there (:mod:`engine.workers.protocol`)."""

import json
import select
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from anymole_tui.terminal.graphics import Pixels
from engine import EngineError, RunCancelled, RunConfig, never
from engine.runs import python_command, python_environment

ASKED_EVERY_S = 0.05
"""Whether anybody still waits for the answer."""


class Service:
    """Started when it is first needed, and again after its end; works on one request at a time."""

    def __init__(self, module: str, lost: str) -> None:
        """A service that is not started yet.

        Args:
            module: Run as ``python -m``.
            lost: What is said when the process has ended while it worked.
        """
        self._module, self._lost = module, lost
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()

    def ask(
        self, request: Mapping[str, Any], stopped: Callable[[], bool] = never
    ) -> tuple[dict[str, Any], bytes]:
        """An answer; waits for it. To be called in a thread.

        Args:
            request: Plain values.
            stopped: Called repeatedly; True stops the service, if it can be stopped.

        Raises:
            EngineError: It cannot be done, was stopped, or the process has ended.
        """
        with self._guard:
            if stopped():
                raise RunCancelled("it was stopped.")
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _send(process.stdin, json.dumps(request))
                while not select.select([process.stdout], [], [], ASKED_EVERY_S)[0]:
                    if stopped():
                        _send(process.stdin, "")
                        break
                reply = dict(json.loads(process.stdout.readline()))
                length = int(reply.get("bytes", 0))
                content = process.stdout.read(length)
                if len(content) < length:
                    raise ValueError("it ended in the middle of an answer")
            except (OSError, ValueError) as error:
                self._end()
                raise EngineError(self._lost) from error
        if "error" in reply:
            raise EngineError(str(reply["error"]))
        return reply, content

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                python_command(self._module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=python_environment(),
            )
        return self._process

    def _end(self) -> None:
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


def _send(pipe: Any, line: str) -> None:
    pipe.write(line.encode() + b"\n")
    pipe.flush()


class ThumbnailProcess(Service):
    """Draws one picture at a time (:mod:`engine.workers.thumbnails`)."""

    def __init__(self) -> None:
        super().__init__(
            "engine.workers.thumbnails",
            "the process that draws pictures has ended; the next picture starts it again.",
        )

    def draw(self, request: Mapping[str, Any], stopped: Callable[[], bool] = never) -> Pixels:
        """A picture; arguments and errors as of :meth:`Service.ask`."""
        reply, pixels = self.ask(request, stopped)
        return np.frombuffer(pixels, np.uint8).reshape(reply["height"], reply["width"], 3)


class SelfTestProcess(Service):
    """Makes one self-test at a time (:mod:`engine.workers.self_test`)."""

    def __init__(self) -> None:
        super().__init__(
            "engine.workers.self_test",
            "the process of the self-test has ended; any change of the plan starts it again.",
        )

    def expect(self, config: RunConfig, stopped: Callable[[], bool]) -> dict[str, Mapping[str, Any]]:
        """What the self-test says of every planned skeleton, as plain values by its path; errors as
        :meth:`Service.ask`."""
        return dict(self.ask(config.to_dict(), stopped)[0]["tests"])
