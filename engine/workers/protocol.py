"""Work for a face in a process of its own: requests as lines of JSON on stdin, answers on stdout.

In the process of a face torch would hold up the keyboard while it is imported, and what ends a renderer would end the
face. An answer is one line of JSON; where it says ``"bytes": N``, so many follow it. ``{"error": "one sentence"}``
answers what cannot be done. A line that comes while a request is worked on asks to stop it; an empty line asks for
nothing. The process ends with its stdin.
"""

import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from functools import partial
from io import RawIOBase
from typing import Any

from engine.errors import SHOWN_ERRORS, is_damage, message_of

Answer = Callable[[Mapping[str, Any], Callable[[], bool]], tuple[Mapping[str, Any], bytes]]
"""Takes a request and a question whether to stop; gives the line and the bytes that follow it."""


def serve(answer: Answer, requests: RawIOBase, write: Callable[[bytes], Any]) -> None:
    """Answer requests until there are no more; every answer is written whole.

    Args:
        answer: Does the work.
        requests: Not buffered, so that a line that waits can be seen.
        write: Takes an answer.
    """
    from engine.rendering.threads import limited_threads

    with limited_threads():
        for line in iter(requests.readline, b""):
            if line.strip():
                reply, content = _try(answer, line, partial(_waits, requests))
                length = {"bytes": len(content)} if content else {}
                write(json.dumps({**reply, **length}).encode() + b"\n" + content)


def _try(answer: Answer, line: bytes, stopped: Callable[[], bool]) -> tuple[Mapping[str, Any], bytes]:
    try:
        return answer(json.loads(line), stopped)
    except Exception as error:
        if not (isinstance(error, SHOWN_ERRORS) or is_damage(error)):
            raise
        return {"error": message_of(error)}, b""


def _waits(requests: RawIOBase) -> bool:
    return bool(select.select([requests], [], [], 0)[0])


def main(answer: Answer, niceness: int = 0) -> None:
    """Serve on stdin and stdout, so much less important than what else the machine does."""

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    os.nice(niceness)
    with open(0, "rb", buffering=0, closefd=False) as requests:
        serve(answer, requests, write)
