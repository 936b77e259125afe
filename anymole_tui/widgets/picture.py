"""A picture in the terminal: in its own graphics where it can, else in half blocks, or in ASCII."""

import os
from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Static

from anymole_tui.widgets.still import Still

Pixels = UInt8[np.ndarray, "height width 3"]
Kind = Literal["kitty", "sixel", "blocks", "ascii"]
CELL_PX = (10, 20)
"""Width and height that a cell is taken to have where the terminal draws pixels itself."""
MOST_PX = (800, 600)


def choose_kind(wanted: str, environment: Mapping[str, str] = os.environ) -> Kind:
    """How pictures are shown: as wanted, or what the terminal says it can.

    Only the names of terminals that are known to do it count, and none inside a multiplexer: to ask the terminal
    would take up to 0.3 s, and others draw garbage.
    """
    if wanted in ("kitty", "sixel", "blocks", "ascii"):
        return wanted  # type: ignore[return-value]
    if environment.get("TMUX") or environment.get("STY"):
        return "blocks"
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "").lower()
    if environment.get("KITTY_WINDOW_ID") or "kitty" in term or "ghostty" in term or program == "ghostty":
        return "kitty"
    if program in ("wezterm", "iterm.app") or term.startswith("foot"):
        return "sixel"
    return "blocks"


def prepare(kind: Kind) -> None:
    """To be called before the app starts: the library for terminal graphics asks the terminal when it is imported."""
    if kind in ("kitty", "sixel"):
        import textual_image.widget  # noqa: F401


class Picture(Container):
    """Shows one still picture at a time, or words."""

    DEFAULT_CSS = """
    Picture { height: 1fr; align: center middle; }
    Picture > Static { width: 100%; text-align: center; color: $foreground 60%; }
    Picture > .image { width: 100%; height: 100%; }
    """

    def __init__(self, kind: Kind, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._kind = kind
        self._image = _image_widget(kind)
        self._image.add_class("image")
        self._image.display = False
        self._words = Static("", markup=False)

    def compose(self) -> ComposeResult:
        yield self._words
        yield self._image

    @property
    def wanted(self) -> tuple[int, int]:
        """Height and width of the picture that fits best [pixels]."""
        return pixels_for(self._kind, self.size)

    @property
    def background(self) -> tuple[float, float, float]:
        """The colour behind it, sRGB in [0, 1]; black where the terminal's own colours are used. ASCII draws dark on
        light, so that white is left blank."""
        color = self.background_colors[1]
        if self._kind == "ascii":
            return (1.0, 1.0, 1.0)
        if color.ansi is not None:
            return (0.0, 0.0, 0.0)
        return (color.r / 255, color.g / 255, color.b / 255)

    def show(self, pixels: Pixels) -> None:
        """Show a picture."""
        self._words.display, self._image.display = False, True
        if isinstance(self._image, Still):
            self._image.show(pixels)
        else:
            from PIL import Image

            self._image.image = Image.fromarray(pixels)  # type: ignore[attr-defined]

    def say(self, words: str | Content) -> None:
        """Show words in its place."""
        self._image.display, self._words.display = False, True
        self._words.update(words)


def pixels_for(kind: Kind, size: Size) -> tuple[int, int]:
    """Height and width [pixels] of a picture that fills so many cells."""
    if kind in ("kitty", "sixel"):
        return min(size.height * CELL_PX[1], MOST_PX[1]), min(size.width * CELL_PX[0], MOST_PX[0])
    return size.height * 2, size.width


def _image_widget(kind: Kind) -> Widget:
    if kind == "kitty":
        from textual_image.widget import TGPImage

        return TGPImage()
    if kind == "sixel":
        from textual_image.widget import SixelImage

        return SixelImage()
    return Still()
