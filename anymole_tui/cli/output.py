"""The only place that writes to the terminal: stdout is data, stderr is talk. Text from files is shown inert.

Talk that cannot be written (a closed or full stream, a terminal that is gone) is left out; an answer that cannot be
written is an error.
"""

import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from anymole_tui.wording import describe_plan, one_line
from engine import (
    SHOWN_ERRORS,
    EngineError,
    Event,
    ExitCode,
    Note,
    PlanReady,
    RunFailed,
    StageFinished,
    StageProgress,
    StageReused,
    exit_code,
    is_foreseen,
    message_of,
)


class AnswerLost(EngineError):
    """The answer cannot be written to where it should go."""


def prepare_streams() -> None:
    """Make sure that there are streams, and that whatever a terminal cannot show is escaped.

    A stream that the shell has closed leads nowhere: else the next file that is opened would take its number, and
    what libraries say would be written into that.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # something else stands in for it, as in tests
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def print_json(value: Any) -> None:
    """One JSON object on stdout; NaN becomes null, since JSON has none.

    Raises:
        AnswerLost, BrokenPipeError: It cannot be written.
    """
    _give(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def say(text: str) -> None:
    """A line of talk, on stderr; line by line safe for the terminal."""
    try:
        sys.stderr.write(_inert(text))
        sys.stderr.flush()
    except OSError:
        _lead_nowhere(sys.stderr)


def answer(text: str = "") -> None:
    """A line of the answer, on stdout; errors as of :func:`print_json`."""
    _give(_inert(text))


def _inert(text: str) -> str:
    return "\n".join(one_line(line) for line in text.split("\n")) + "\n"


def _give(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _lead_nowhere(sys.stdout)
        if error.errno == errno.EPIPE:  # whoever read it has had enough
            raise
        raise AnswerLost(
            f"the answer cannot be written to standard output ({error.strerror or error})."
        ) from error


def _lead_nowhere(stream: TextIO) -> None:
    """What is left in a stream that cannot be written would fail once more when Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def fail(error: BaseException, *, as_json: bool, flags: Mapping[str, str] | None = None) -> ExitCode:
    """Say an error in one sentence and return the exit code.

    Args:
        error: What went wrong.
        as_json: Whether the answer is one JSON object.
        flags: Options of the command by the name of the setting: those that the error is about are named.
    """
    code = exit_code(error)
    if is_foreseen(error):
        message = message_of(error)
    else:
        message = f"{message_of(error)}; run again with --debug and report it, please."
    names = error.settings if isinstance(error, SHOWN_ERRORS) else ()
    message = with_flags(message, [flag for name in names if (flag := (flags or {}).get(name))])
    say(one_line(f"anymole: {message}"))
    if as_json:
        about = {"settings": list(names)} if names else {}
        with suppress(AnswerLost, OSError):  # the exit code still tells
            print_json({"error": message, "exit_code": int(code), **about})
    return code


def with_flags(message: str, flags: Sequence[str]) -> str:
    """A message of the engine, which names settings, with the options of the command line for them."""
    if not flags:
        return message
    return f"{message.removesuffix('.')} ({', '.join(flags)})."


def narrate(event: Event) -> None:
    """One line of talk per event worth one."""
    match event:
        case PlanReady(plans):
            for plan in plans:
                say(describe_plan(plan))
        case Note(level, text):
            say(one_line(f"{level}: {text}"))  # a newline in a name from a file must not begin a line
        case StageReused(stage):
            say(f"{stage}: as before")
        case StageFinished(stage, seconds):
            say(f"{stage}: {seconds:.1f} s")
        case StageProgress() | RunFailed():
            pass  # errors are said once, by fail()


def narrate_progress(event: Event) -> None:
    """Progress of a long command that is no run."""
    if isinstance(event, StageProgress):
        say(f"{event.done} of {event.total}")


def _finite(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _finite(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not (value - value == 0):
        return None
    return value
