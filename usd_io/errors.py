"""Errors of reading and writing USD.

UsdIoError            anything a user can cause in a USD file; the message is shown as it is
├── StageReadError    a stage, skeleton or animation cannot be read
└── AuthorError       a result layer cannot be written

A message says what was found, where (layer, prim path, time code), and what to do.
"""


class UsdIoError(Exception):
    """Base of the errors a face prints verbatim: one clear sentence, no traceback."""


class StageReadError(UsdIoError):
    """The stage, a skeleton or an animation in it cannot be read."""


class AuthorError(UsdIoError):
    """The result cannot be written; nothing half-written is left behind."""
