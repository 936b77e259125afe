"""What a stage holds and what a run would do, before anything is computed.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.inspection.clips import StageClip, read_clips, rotation_curve
    from engine.inspection.draft import Draft
    from engine.inspection.report import SkeletonReport, reader_names

_HOMES = {
    "Draft": "engine.inspection.draft",
    "SkeletonReport": "engine.inspection.report",
    "StageClip": "engine.inspection.clips",
    "read_clips": "engine.inspection.clips",
    "reader_names": "engine.inspection.report",
    "rotation_curve": "engine.inspection.clips",
}
"""Where each name lives."""

__all__ = [
    "Draft",
    "SkeletonReport",
    "StageClip",
    "read_clips",
    "reader_names",
    "rotation_curve",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
