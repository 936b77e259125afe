"""USD on disk <-> plain numpy arrays. The only package that imports ``pxr``.

The names below are the public ones; each is imported when it is first used, so that ``import usd_io`` costs nothing.
The modules behind them may change.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from usd_io.author.gaps import SOURCE, ShownGap
    from usd_io.author.result import Authored, author_result
    from usd_io.author.samples import Take
    from usd_io.check.finding import Finding
    from usd_io.check.rules import check_file
    from usd_io.errors import AuthorError, StageReadError, UsdIoError, counted, shown, timecode
    from usd_io.model import Character, Mesh, Motion, Shot, StageInfo
    from usd_io.read.stage import open_stage, read_motion_at, read_shot, read_stage_info
    from usd_io.tools.diff import differences
    from usd_io.tools.retime import retime, trim
    from usd_io.tools.text import convert_layer, layer_text, tree

_HOMES = {
    "AuthorError": "usd_io.errors",
    "Authored": "usd_io.author.result",
    "Character": "usd_io.model",
    "Finding": "usd_io.check.finding",
    "Mesh": "usd_io.model",
    "Motion": "usd_io.model",
    "SOURCE": "usd_io.author.gaps",
    "Shot": "usd_io.model",
    "ShownGap": "usd_io.author.gaps",
    "StageInfo": "usd_io.model",
    "StageReadError": "usd_io.errors",
    "Take": "usd_io.author.samples",
    "UsdIoError": "usd_io.errors",
    "author_result": "usd_io.author.result",
    "check_file": "usd_io.check.rules",
    "convert_layer": "usd_io.tools.text",
    "counted": "usd_io.errors",
    "differences": "usd_io.tools.diff",
    "layer_text": "usd_io.tools.text",
    "open_stage": "usd_io.read.stage",
    "read_motion_at": "usd_io.read.stage",
    "read_shot": "usd_io.read.stage",
    "read_stage_info": "usd_io.read.stage",
    "retime": "usd_io.tools.retime",
    "shown": "usd_io.errors",
    "timecode": "usd_io.errors",
    "tree": "usd_io.tools.text",
    "trim": "usd_io.tools.retime",
}
"""Where each name lives."""

__all__ = [
    "SOURCE",
    "AuthorError",
    "Authored",
    "Character",
    "Finding",
    "Mesh",
    "Motion",
    "Shot",
    "ShownGap",
    "StageInfo",
    "StageReadError",
    "Take",
    "UsdIoError",
    "author_result",
    "check_file",
    "convert_layer",
    "counted",
    "differences",
    "layer_text",
    "open_stage",
    "read_motion_at",
    "read_shot",
    "read_stage_info",
    "retime",
    "shown",
    "timecode",
    "tree",
    "trim",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
