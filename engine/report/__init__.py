"""A run as one HTML file for people without USD at hand.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.report.serve import ReportServer
    from engine.report.sheet import write_sheet
    from engine.report.words import NOTHING, TOUR, about, in_full, joint_error, length
    from engine.report.write import is_sheet, page_of, run_of, write_report

_HOMES = {
    "NOTHING": "engine.report.words",
    "ReportServer": "engine.report.serve",
    "TOUR": "engine.report.words",
    "about": "engine.report.words",
    "in_full": "engine.report.words",
    "is_sheet": "engine.report.write",
    "joint_error": "engine.report.words",
    "length": "engine.report.words",
    "page_of": "engine.report.write",
    "run_of": "engine.report.write",
    "write_report": "engine.report.write",
    "write_sheet": "engine.report.sheet",
}
"""Where each name lives."""

__all__ = [
    "NOTHING",
    "TOUR",
    "ReportServer",
    "about",
    "in_full",
    "is_sheet",
    "joint_error",
    "length",
    "page_of",
    "run_of",
    "write_report",
    "write_sheet",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
