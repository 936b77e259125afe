"""Looks of the terminal UI: ours, those of Textual (two of them in the terminal's own colours), and the user's."""

from collections.abc import Mapping
from typing import Any

from textual.color import Color, ColorParseError
from textual.css.errors import StylesheetError
from textual.css.stylesheet import Stylesheet
from textual.css.tokenizer import TokenError
from textual.theme import BUILTIN_THEMES, Theme

from engine import ConfigError
from usd_io import shown

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


def theme_names(tables: Mapping[str, Any]) -> tuple[str, ...]:
    """All that can be chosen, those of the user's tables (see below) among them."""
    return tuple(sorted({DARK.name, LIGHT.name, *BUILTIN_THEMES, *tables}))


def user_themes(tables: Mapping[str, Any]) -> list[Theme]:
    """Themes of the user's settings (``[themes.NAME]``: primary, background, ... as colours).

    Raises:
        ConfigError: A table that is no theme, or a colour or a variable with which nothing could be drawn.
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
        for part in ("luminosity_spread", "text_alpha"):
            if not isinstance(getattr(theme, part), (int, float)):
                raise ConfigError(
                    f"the theme {shown(name)}: {part} is {shown(getattr(theme, part))}; write a number from 0 to 1."
                )
        _check_variables(theme)
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


def _check_variables(theme: Theme) -> None:
    """Those of ``[themes.NAME.variables]``: an unknown one would do nothing, one that is not understood end it all."""
    if not isinstance(theme.variables, Mapping):
        raise ConfigError(f"the theme {shown(theme.name)}: variables is no table of names and values.")
    known = DARK.to_color_system().generate()
    for name, value in theme.variables.items():
        if name not in known:
            raise ConfigError(
                f"the theme {shown(theme.name)}: there is no variable {shown(name)}; Textual's documentation of "
                "themes lists them."
            )
        is_style = name.endswith("style") or "-style-" in name
        # some stand in places where a colour may follow from what is behind it, which is no colour of a border
        part = "text-style" if is_style else "color" if known[name].startswith("auto") else "background"
        if not isinstance(value, str) or not _understood(part, value):
            example = "'bold'" if is_style else "'#88c0d0'"
            raise ConfigError(
                f"the theme {shown(theme.name)}: the variable {shown(name)} is {shown(value)}; write it as {example}."
            )


def _understood(part: str, value: str) -> bool:
    """Whether a value can stand in a style sheet."""
    sheet = Stylesheet()
    try:
        sheet.set_variables({"value": value})
        sheet.add_source(f"Widget {{ {part}: $value; }}")
        sheet.parse()
        return bool(value.strip())
    except (StylesheetError, TokenError, ValueError):
        return False
