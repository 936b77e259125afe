"""The self-test of a plan, made by a process of its own (:mod:`engine.foretell`)."""

import json
import select
import threading
from collections.abc import Callable, Mapping
from typing import Any

from anymole_tui.service import Service
from engine.config import RunConfig
from engine.errors import EngineError, RunCancelled

ASKED_EVERY_S = 0.05
"""Whether anybody still waits for the answer."""


class ForetellProcess:
    """Makes one self-test at a time."""

    def __init__(self) -> None:
        self._service = Service("engine.foretell")
        self._guard = threading.Lock()

    def expect(self, config: RunConfig, stopped: Callable[[], bool]) -> dict[str, Mapping[str, Any]]:
        """What the self-test says of every planned skeleton, as plain values by its path; waits for it.

        Args:
            config: The run that is planned.
            stopped: Asked again and again; True stops the trials.

        Raises:
            EngineError: It cannot be made, was stopped, or the process has ended.
        """
        with self._guard:
            if stopped():
                raise RunCancelled("the self-test was stopped.")
            process = self._service.running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _send(process.stdin, json.dumps(config.to_dict()))
                while not select.select([process.stdout], [], [], ASKED_EVERY_S)[0]:
                    if stopped():
                        _send(process.stdin, "")
                        break
                told = json.loads(process.stdout.readline())
                if "error" in told:
                    raise EngineError(str(told["error"]))
                return dict(told["tests"])
            except (OSError, ValueError, KeyError) as error:
                self._service.end()
                raise EngineError(
                    "the process of the self-test has ended; any change of the plan starts it anew."
                ) from error

    def close(self) -> None:
        """End the process, also while it works."""
        self._service.close()


def _send(pipe: Any, line: str) -> None:
    pipe.write(line.encode() + b"\n")
    pipe.flush()
