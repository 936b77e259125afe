"""The only place that writes to the terminal: stdout is data, stderr is talk. Text from files is shown inert."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from anymole_tui.wording import describe_plan, one_line
from engine.errors import SHOWN_ERRORS, EngineError, ExitCode, exit_code, is_damage, message_of
from engine.events import Event, Note, PlanReady, RunFailed, StageFinished, StageProgress, StageReused


def print_json(value: Any) -> None:
    """One JSON object on stdout; NaN becomes null, since JSON has none."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def say(text: str, stream: TextIO | None = None) -> None:
    """A line of talk, on stderr unless it is the answer itself; line by line safe for the terminal."""
    stream = stream or sys.stderr
    stream.write("\n".join(one_line(line) for line in text.split("\n")) + "\n")


def answer(text: str = "") -> None:
    """A line of the answer, on stdout."""
    say(text, sys.stdout)


def fail(error: BaseException, *, as_json: bool, flags: Mapping[str, str] | None = None) -> ExitCode:
    """Say an error in one sentence and return the exit code.

    Args:
        error: What went wrong.
        as_json: Whether the answer is one JSON object.
        flags: Options of the command by the name of the setting: those that the error is about are named.
    """
    code = exit_code(error)
    if isinstance(error, SHOWN_ERRORS) or is_damage(error):
        message = message_of(error)
    elif isinstance(error, KeyboardInterrupt):
        message = "stopped by the user."
    elif isinstance(error, MemoryError):
        message = "memory ran out; fill fewer gaps at once or fewer skeletons."
    else:
        message = f"{message_of(error)}; run again with --debug and report it, please."
    names = error.settings if isinstance(error, EngineError) else ()
    message = with_flags(message, [flag for name in names if (flag := (flags or {}).get(name))])
    with suppress(OSError):  # the terminal may be gone: the exit code still tells
        say(one_line(f"anymole: {message}"))
    if as_json:
        about = {"settings": list(names)} if names else {}
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
