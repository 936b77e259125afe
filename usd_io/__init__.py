"""USD on disk <-> plain numpy arrays. The only package that imports ``pxr``.

The names below are the public ones; each is imported when it is first used, so that ``import usd_io`` costs nothing.
The modules behind them may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usd_io.author.result import Authored, author_result
    from usd_io.author.samples import Take
    from usd_io.check.finding import Finding
    from usd_io.check.rules import check_file
    from usd_io.errors import AuthorError, StageReadError, UsdIoError
    from usd_io.model import Character, Mesh, Motion, Shot, StageInfo
    from usd_io.read.stage import open_stage, read_motion_at, read_shot, read_stage_info

_HOMES = {
    "AuthorError": "usd_io.errors",
    "Authored": "usd_io.author.result",
    "Character": "usd_io.model",
    "Finding": "usd_io.check.finding",
    "Mesh": "usd_io.model",
    "Motion": "usd_io.model",
    "Shot": "usd_io.model",
    "StageInfo": "usd_io.model",
    "StageReadError": "usd_io.errors",
    "Take": "usd_io.author.samples",
    "UsdIoError": "usd_io.errors",
    "author_result": "usd_io.author.result",
    "check_file": "usd_io.check.rules",
    "open_stage": "usd_io.read.stage",
    "read_motion_at": "usd_io.read.stage",
    "read_shot": "usd_io.read.stage",
    "read_stage_info": "usd_io.read.stage",
}
"""Where each public name lives."""

__all__ = [
    "AuthorError",
    "Authored",
    "Character",
    "Finding",
    "Mesh",
    "Motion",
    "Shot",
    "StageInfo",
    "StageReadError",
    "Take",
    "UsdIoError",
    "author_result",
    "check_file",
    "open_stage",
    "read_motion_at",
    "read_shot",
    "read_stage_info",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
