"""What a setting is: declared once, in the annotation of its field, for all who show, read, check or store it.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.settings.choices import PriorName
    from engine.settings.packages import PRIORS, refused_names
    from engine.settings.setting import Field, Setting, fields_of, limits_text, value_of
    from engine.settings.typed import from_text, split, to_text

_HOMES = {
    "Field": "engine.settings.setting",
    "PRIORS": "engine.settings.packages",
    "PriorName": "engine.settings.choices",
    "Setting": "engine.settings.setting",
    "fields_of": "engine.settings.setting",
    "from_text": "engine.settings.typed",
    "limits_text": "engine.settings.setting",
    "refused_names": "engine.settings.packages",
    "split": "engine.settings.typed",
    "to_text": "engine.settings.typed",
    "value_of": "engine.settings.setting",
}
"""Where each name lives."""

__all__ = [
    "PRIORS",
    "Field",
    "PriorName",
    "Setting",
    "fields_of",
    "from_text",
    "limits_text",
    "refused_names",
    "split",
    "to_text",
    "value_of",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
