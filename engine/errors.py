"""Errors of the engine and exit codes; see also :mod:`usd_io.errors`.

EngineError            anything a user can cause in a run; the message is shown as it is
├── ConfigError        settings that cannot be used, all problems in one message
│   └── NothingToFill  every frame is authored already
├── DataError          motion or images that cannot be used (NaN, too few samples, ...)
└── RunCancelled       the user or the system asked the run to stop
"""

from enum import IntEnum

from usd_io.errors import AuthorError, StageNotFoundError, StageReadError, UsdIoError


class EngineError(Exception):
    """Base of the engine's errors: one clear sentence, printed verbatim."""


class ConfigError(EngineError):
    """Settings or a plan that cannot be used."""


class NothingToFill(ConfigError):
    """Every frame between the keys is authored already."""


class DataError(EngineError):
    """Input that was read but cannot be worked with."""


class RunCancelled(EngineError):
    """The run was asked to stop; its folder stays resumable."""


SHOWN_ERRORS = (EngineError, UsdIoError)
"""What a face prints as it is, without a traceback."""


class ExitCode(IntEnum):
    """Exit codes are an API (docs/cli.md)."""

    OK = 0
    """The work is done."""
    FAILED = 1
    """The work could not be done: an unwritable folder, a full disk, a fault of ours."""
    USAGE = 2
    """Options, settings or a named file, prim, joint or time that do not exist."""
    RETRYABLE = 3
    """Something is missing now that may be there later; the same command may work then."""
    VALIDATION = 4
    """A file was read and is not fit for the work, or ``check`` found errors."""
    OUT_OF_MEMORY = 5
    """Memory ran out; the message says what to make smaller."""
    INTERRUPTED = 130
    """Stopped by the user (SIGINT)."""
    TERMINATED = 143
    """Stopped by the system (SIGTERM)."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (ConfigError, ExitCode.USAGE),
    (StageNotFoundError, ExitCode.USAGE),
    (StageReadError, ExitCode.VALIDATION),
    (DataError, ExitCode.VALIDATION),
    (AuthorError, ExitCode.FAILED),
    (RunCancelled, ExitCode.INTERRUPTED),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (MemoryError, ExitCode.OUT_OF_MEMORY),
)


def exit_code(error: BaseException) -> ExitCode:
    """The exit code that an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
