"""Errors of the engine; see also :mod:`usd_io.errors`.

EngineError            anything a user can cause in a run; the message is shown as it is
├── ConfigError        settings that cannot be used, all problems in one message
├── DataError          motion or images that cannot be used (NaN, too few samples, ...)
└── RunCancelled       the user or the system asked the run to stop
"""

from usd_io.errors import UsdIoError


class EngineError(Exception):
    """Base of the engine's errors: one clear sentence, printed verbatim."""


class ConfigError(EngineError):
    """Settings or a plan that cannot be used (exit code 2)."""


class DataError(EngineError):
    """Input that was read but cannot be worked with (exit code 4)."""


class RunCancelled(EngineError):
    """The run was asked to stop; its folder stays resumable."""


SHOWN_ERRORS = (EngineError, UsdIoError)
"""What a face prints as it is, without a traceback."""
