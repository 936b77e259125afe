"""A still picture in half blocks (or ASCII), painted once and only when it is another one."""

import numpy as np
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from anymole_tui.safe_text import plain
from usd_io.shapes import UInt8

Picture = UInt8[np.ndarray, "height width 3"]
SHADES = " .:-=+*#%@"
"""From dark to bright."""


class Still(Widget):
    """A picture as large as fits, in the middle; below it nothing, or words where there is no picture."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture: Picture | None = None
        self._pixels: Picture | None = None
        self._words = ""

    def show(self, picture: Picture | None, words: str = "") -> None:
        """Show a picture, or words in its place."""
        self._picture, self._words = picture, words
        self._fit()

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._fit()

    def _fit(self) -> None:
        width, height = self.size
        self._pixels = None
        if self._picture is not None and width and height:
            self._pixels = fitted(self._picture, width, height)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, style = self.size.width, self.visual_style.rich_style
        if self._pixels is None:
            text = self._words if y == self.size.height // 2 else ""
            return Strip([Segment(plain(text, width).center(width), style)])
        rows, across = self._pixels.shape[0] // 2, self._pixels.shape[1]
        row = y - (self.size.height - rows) // 2
        if not 0 <= row < rows:
            return Strip.blank(width, style)
        pair = self._pixels[2 * row : 2 * row + 2]
        cells = ascii_cells(pair) if getattr(self.app, "ascii", False) else block_cells(pair)
        left = (width - across) // 2
        return Strip([Segment(" " * left, style), *cells, Segment(" " * (width - left - across), style)])


def fitted(picture: Picture, width: int, height: int) -> Picture:
    """A picture as large as fits into cells, two pixels to a cell, one above the other; even height."""
    scale = min(width / picture.shape[1], 2 * height / picture.shape[0])
    across = max(1, round(picture.shape[1] * scale))
    down = max(2, 2 * (round(picture.shape[0] * scale) // 2))
    return np.asarray(Image.fromarray(picture).resize((across, down), Image.Resampling.BOX))


def block_cells(pair: UInt8[np.ndarray, "2 width 3"]) -> list[Segment]:
    """Two rows of pixels as one row of upper half blocks; equal neighbours share one style."""
    cells: list[Segment] = []
    start = 0
    for x in range(1, pair.shape[1] + 1):
        if x == pair.shape[1] or (pair[:, x] != pair[:, start]).any():
            top, bottom = (Color.from_rgb(*map(int, pixel)) for pixel in pair[:, start])
            sign = " " if top == bottom else "▀"
            cells.append(Segment(sign * (x - start), Style(color=top, bgcolor=bottom)))
            start = x
    return cells


def ascii_cells(pair: UInt8[np.ndarray, "2 width 3"]) -> list[Segment]:
    """Two rows of pixels as one row of characters by their brightness, dark on light."""
    bright = pair.astype(float).mean((0, 2)) / 255
    level = np.clip((1 - bright) * len(SHADES), 0, len(SHADES) - 1).astype(int)
    return [Segment("".join(SHADES[i] for i in level))]
