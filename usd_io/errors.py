"""Errors of reading and writing USD, and how text from files is shown.

UsdIoError                  anything a user can cause in a USD file; the message is shown as it is
├── StageReadError          a stage, skeleton or animation cannot be read
│   └── StageNotFoundError  the named file or prim does not exist
└── AuthorError             a result layer cannot be written
    ├── NoResultError       the stage is no result of ours
    └── TakeNotFoundError   the result has no such take

A message says what was found, where (layer, prim path, time code), and what to do.
"""

import errno
from collections.abc import Iterable
from operator import index
from typing import SupportsFloat, SupportsIndex

MOST_SHOWN = 200
"""Longer names are cut in the middle."""

LARGEST_WRITTEN = 1e15
"""Time codes from here on are written with an exponent."""


class UsdIoError(Exception):
    """Base of the errors a face prints verbatim: one clear sentence, no traceback.

    How a caller gives an argument (an option, a row of a form) is the word of the face, which learns from ``settings``
    which ones the error is about.
    """

    def __init__(self, message: str = "", *, settings: Iterable[str] = ()) -> None:
        """
        Args:
            message: What was found, where, and what to do.
            settings: Names of the arguments to change.
        """
        super().__init__(message)
        self.settings = tuple(settings)


class StageReadError(UsdIoError):
    """The stage, a skeleton or an animation in it cannot be read."""


class StageNotFoundError(StageReadError):
    """The named file or prim does not exist, or may not be read."""


class AuthorError(UsdIoError):
    """The result cannot be written; nothing half-written is left behind."""


class NoResultError(AuthorError):
    """The named stage is not the root stage of a result."""


class TakeNotFoundError(AuthorError):
    """The result has no take of that number."""


def counted(number: SupportsIndex, what: str) -> str:
    """``1 joint``, ``2 joints``."""
    return f"{number} {what}{'' if index(number) == 1 else 's'}"


def timecode(time: SupportsFloat) -> str:
    """A time code as a person types it, to a millionth and without an exponent: ``49``, ``49.5``, ``1000083``."""
    value = float(time)
    if not abs(value) < LARGEST_WRITTEN:
        return f"{value:g}"
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_refused(error: BaseException | None) -> bool:
    """Whether the system allows it nobody of ours: what was named is write-protected or another user's."""
    return isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def unwritable(path: object, error: OSError, elsewhere: str = "") -> str:
    """The sentence for a file or folder that cannot be written.

    Args:
        path: It.
        error: What the system said.
        elsewhere: What can be done instead, where another place can be named.
    """
    here = ""
    if is_refused(error):
        here = "make it and its folder writable"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        here = "make room"
    remedy = " or ".join(filter(None, (here, elsewhere))) or "mend that and try again"
    return f"{shown(path)} cannot be written ({error.strerror or shown(error)}); {remedy}."


def shown(text: object, most: int = MOST_SHOWN) -> str:
    """Text from a file or a path, fit for a terminal: on one line, escapes and other non-printing characters spelt
    out, right-to-left overrides too, very long names cut in the middle."""
    raw = str(text)
    if len(raw) > most:
        raw = f"{raw[: most // 2]}...{raw[-most // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in raw)
