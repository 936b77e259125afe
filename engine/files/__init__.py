"""Reading and writing files: whole or not at all, never trusted, never pickled.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.files.atomic import write_text
    from engine.files.json_values import from_plain
    from engine.files.toml import read_toml

_HOMES = {
    "from_plain": "engine.files.json_values",
    "read_toml": "engine.files.toml",
    "write_text": "engine.files.atomic",
}
"""Where each name lives."""

__all__ = [
    "from_plain",
    "read_toml",
    "write_text",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
