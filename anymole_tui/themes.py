"""Looks of the terminal UI: ours, those of Textual (two of them in the terminal's own colours), and the user's."""

from collections.abc import Mapping
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from engine.errors import ConfigError
from usd_io.errors import shown

DARK = Theme(
    name="anymole",
    primary="#e8935a",
    secondary="#7fb4ca",
    accent="#e6c384",
    warning="#e6c384",
    error="#e46876",
    success="#98bb6c",
    foreground="#dcd7ca",
    background="#16161d",
    surface="#1c1c25",
    panel="#262631",
    boost="#2f2f3b",
    dark=True,
    variables={
        "block-cursor-background": "#3a3a4a",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "border": "#e8935a",
        "border-blurred": "#3a3a4a",
        "footer-background": "#1c1c25",
        "footer-key-foreground": "#e8935a",
        "scrollbar": "#3a3a4a",
        "scrollbar-background": "#1c1c25",
    },
)
LIGHT = Theme(
    name="anymole-light",
    primary="#a8541c",
    secondary="#2f6f8f",
    accent="#8a6a12",
    warning="#8a6a12",
    error="#b3253a",
    success="#3f6f1c",
    foreground="#25232b",
    background="#f7f4ee",
    surface="#efebe3",
    panel="#e4dfd4",
    boost="#d9d3c6",
    dark=False,
    variables={
        "block-cursor-background": "#cfc7b6",
        "block-cursor-foreground": "#16161d",
        "block-cursor-text-style": "bold",
        "border": "#a8541c",
        "border-blurred": "#cfc7b6",
        "footer-key-foreground": "#a8541c",
    },
)


COLORS = (
    *("primary", "secondary", "accent", "warning", "error", "success"),
    *("foreground", "background", "surface", "panel", "boost"),
)


def user_themes(tables: Mapping[str, Any]) -> list[Theme]:
    """Themes of the user's settings (``[themes.NAME]``: primary, background, ... as colours).

    Raises:
        ConfigError: A table that is no theme, or a colour that is none.
    """
    found = []
    for name, table in tables.items():
        try:
            theme = Theme(name=name, **table)
        except TypeError:
            raise ConfigError(
                f"the theme {shown(name)} is no table of colours with at least 'primary'; see docs/tui.md."
            ) from None
        if not isinstance(theme.dark, bool):
            raise ConfigError(f"the theme {shown(name)}: dark is {shown(theme.dark)}; write true or false.")
        for part in COLORS:
            _check_color(name, part, getattr(theme, part))
        found.append(theme)
    return found


def _check_color(theme: str, part: str, value: object) -> None:
    try:
        if value is not None:
            Color.parse(value)
    except (ColorParseError, TypeError, ValueError, AttributeError):
        raise ConfigError(
            f"the theme {shown(theme)}: {part} is {shown(value)}, which is no colour; write one as '#88c0d0'."
        ) from None
