"""Stages as trees of rows for the terminal UI.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from usd_io.browse.rows import Arc, Details, LayerRow, PrimRow, Property
    from usd_io.browse.view import StageView

_HOMES = {
    "Arc": "usd_io.browse.rows",
    "Details": "usd_io.browse.rows",
    "LayerRow": "usd_io.browse.rows",
    "PrimRow": "usd_io.browse.rows",
    "Property": "usd_io.browse.rows",
    "StageView": "usd_io.browse.view",
}
"""Where each name lives."""

__all__ = [
    "Arc",
    "Details",
    "LayerRow",
    "PrimRow",
    "Property",
    "StageView",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
