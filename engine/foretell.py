"""The self-test of a plan in a process of its own: ``python -m engine.foretell``.

The terminal UI asks for it while a run is planned. In its own process torch would hold up the keyboard while it is
imported, and the trials would take the processor from it. One request per line on stdin, the settings of a run in
JSON; on stdout one JSON line per answer::

    {"stage": "fox.usda", "keys": [36.0, 48.0]}
    {"tests": {"/Fox/Skel": {"pieces": 4, ...}}}     self-tests as plain values by skeleton, or
    {"error": "one sentence"}

A line that comes while a request is worked on stops it; an empty line asks for nothing. The process ends with its
stdin.
"""

import json
import os
import select
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any, BinaryIO

from engine.config import config_from_mapping
from engine.draft import Draft
from engine.errors import SHOWN_ERRORS, is_damage, message_of

NICENESS = 10
"""Whoever plans, types."""


def answer(request: bytes, draft: Callable[[str], Draft], stopped: Callable[[], bool]) -> dict[str, Any]:
    """What is said to one request."""
    try:
        config = config_from_mapping(json.loads(request))
        ready = draft(config.stage)
        tests = ready.expect(config, ready.plan(config), stopped)
    except Exception as error:
        if not (isinstance(error, SHOWN_ERRORS) or is_damage(error)):
            raise
        return {"error": message_of(error)}
    return {"tests": {path: asdict(test) for path, test in tests.items()}}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more.

    Args:
        requests: Not buffered, so that a line that waits can be seen.
        answers: Where answers are written.
    """
    from engine.rendering.threads import limited_threads

    draft = lru_cache(maxsize=1)(Draft)
    with limited_threads():
        for line in iter(requests.readline, b""):
            if line.strip():
                told = answer(line, draft, partial(_waits, requests))
                answers.write(json.dumps(told).encode() + b"\n")
                answers.flush()


def _waits(requests: BinaryIO) -> bool:
    return bool(select.select([requests], [], [], 0)[0])


def main() -> None:
    """Serve on stdin and stdout."""
    os.nice(NICENESS)
    with open(0, "rb", buffering=0, closefd=False) as requests:
        serve(requests, sys.stdout.buffer)


if __name__ == "__main__":
    main()
