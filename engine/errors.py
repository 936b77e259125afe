"""Errors of the engine and exit codes; see also :mod:`usd_io.errors`.

EngineError            anything a user can cause in a run; the message is shown as it is
├── ConfigError        settings that cannot be used, all problems in one message
│   ├── NothingToFill  every frame is authored already
│   └── NotWritable    a folder that the system lets nobody of ours write to
├── DataError          motion, images or weights that cannot be used (NaN, too few samples, truncated, ...)
├── ResourceMissing    weights or a device that are not here now
├── OutOfMemory        memory ran out; says what to make smaller
├── RunBusy            another process writes this run
├── RunLost            another process took this run over, or its folder is gone
├── SourceChanged      a source layer changed under a running run
└── RunCancelled       the user asked the run to stop
    └── RunTerminated  the system did (SIGTERM, SIGUSR1, SIGHUP)
"""

from collections.abc import Iterable
from enum import IntEnum

from usd_io.errors import (
    AuthorError,
    NoResultError,
    StageNotFoundError,
    StageReadError,
    TakeNotFoundError,
    UsdIoError,
    is_refused,
    shown,
)


class EngineError(Exception):
    """Base of the engine's errors: one clear sentence, printed verbatim.

    The sentence names settings by their field names; how a setting is given (a flag, a row of a form) is the word of
    the face, which learns from ``settings`` what it is about.
    """

    def __init__(self, message: str = "", *, settings: Iterable[str] = ()) -> None:
        """
        Args:
            message: What, where, and what to do.
            settings: Names of the settings to change, as in :class:`engine.config.RunConfig` and its kin.
        """
        super().__init__(message)
        self.settings = tuple(settings)


class ConfigError(EngineError):
    """Settings or a plan that cannot be used."""


class NothingToFill(ConfigError):
    """Every frame between the keys is authored already."""


class NotWritable(ConfigError):
    """A folder that cannot be made or written to: only what writes there has to care."""


class DataError(EngineError):
    """Input that was read but cannot be worked with."""


class RunBusy(EngineError):
    """Another process writes this run; two never do at once."""


class RunLost(EngineError):
    """Another process took this run over while this one was stopped or cut off, or its folder is gone."""


class SourceChanged(EngineError):
    """A source layer changed while a run was reading it."""


class ResourceMissing(EngineError):
    """Something the work needs is not here now and can be brought here."""


class OutOfMemory(EngineError, MemoryError):
    """Memory of the device ran out."""


class RunCancelled(EngineError):
    """The run was asked to stop; its folder stays resumable."""


class RunTerminated(RunCancelled):
    """The system asked the run to stop; its folder stays resumable."""


STOPPED = "stopped by the user. What was done is kept; 'anymole resume' goes on from there."
"""What a run says that was asked to stop."""

SHOWN_ERRORS = (EngineError, UsdIoError)
"""What a face prints as it is, without a traceback."""


class ExitCode(IntEnum):
    """Exit codes are an API (docs/cli.md)."""

    OK = 0
    """The work is done."""
    FAILED = 1
    """The work could not be done: an unwritable folder, a full disk, a fault of ours."""
    USAGE = 2
    """Options, settings or a named file, prim, joint or time that do not exist, or a place that may not be written."""
    RETRYABLE = 3
    """Something is missing now that may be there later; the same command may work then."""
    VALIDATION = 4
    """A file was read and is not fit for the work, or ``check`` found errors."""
    OUT_OF_MEMORY = 5
    """Memory ran out; the message says what to make smaller."""
    INTERRUPTED = 130
    """Stopped by the user (SIGINT)."""
    TERMINATED = 143
    """Stopped by the system (SIGTERM, SIGUSR1, SIGHUP)."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (ConfigError, ExitCode.USAGE),
    (StageNotFoundError, ExitCode.USAGE),
    (NoResultError, ExitCode.USAGE),
    (TakeNotFoundError, ExitCode.USAGE),
    (StageReadError, ExitCode.VALIDATION),
    (DataError, ExitCode.VALIDATION),
    (AuthorError, ExitCode.FAILED),
    (ResourceMissing, ExitCode.RETRYABLE),
    (RunBusy, ExitCode.RETRYABLE),
    (SourceChanged, ExitCode.RETRYABLE),
    (RunTerminated, ExitCode.TERMINATED),
    (RunCancelled, ExitCode.INTERRUPTED),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (MemoryError, ExitCode.OUT_OF_MEMORY),
)


def is_damage(error: BaseException) -> bool:
    """Whether an error is USD's own word on a damaged file, met where a value was read: it checks few when it opens."""
    return type(error).__module__.startswith("pxr.") or isinstance(error, UnicodeDecodeError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in Python, in torch (whose own class must not be imported here) or in a library."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error)
    return isinstance(error, (RuntimeError, ImportError, OSError)) and any(w in said for w in _MEMORY_WORDS)


_MEMORY_WORDS = (
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "can't start new thread",
    "failed to map segment",
)
"""What torch, C++, threads and the loader of libraries say then."""


def is_foreseen(error: BaseException) -> bool:
    """Whether :func:`message_of` says in one sentence what to do; all else is a fault of ours."""
    return _foreseen_message(error) is not None


def message_of(error: BaseException) -> str:
    """The message of any error for a user."""
    message = _foreseen_message(error)
    return f"unexpected {type(error).__name__}: {shown(error)}" if message is None else message


def _foreseen_message(error: BaseException) -> str | None:
    """The sentence for an error that a user or the system can cause; None for a fault of ours."""
    if isinstance(error, SHOWN_ERRORS):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped by the user."
    if is_out_of_memory(error):
        return "memory ran out; fill fewer gaps at once or fewer skeletons, or give the process more."
    if isinstance(error, OSError) and error.strerror:
        where = f"{shown(error.filename)} cannot be used" if error.filename else "a file cannot be used"
        return f"{where} ({error.strerror}); {'allow it' if is_refused(error) else 'fix that'} and try again."
    if is_damage(error):
        from usd_io.diagnostics import reason

        return f"the stage, or a layer that it uses, is damaged: {reason(error)}"
    return None


def exit_code(error: BaseException) -> ExitCode:
    """The exit code that an error ends a command with."""
    if not isinstance(error, SHOWN_ERRORS) and is_out_of_memory(error):
        return ExitCode.OUT_OF_MEMORY
    if is_damage(error):
        return ExitCode.VALIDATION
    code = next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
    refused = is_refused(error) or is_refused(error.__cause__)
    return ExitCode.USAGE if refused and code is ExitCode.FAILED else code
