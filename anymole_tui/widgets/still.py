"""A still picture in half blocks (or ASCII), painted once and only when it is another one."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from anymole_tui.screens.place import in_thread
from anymole_tui.widgets.inert import plain

Picture = UInt8[np.ndarray, "height width 3"]
LARGEST_FILE = 32 << 20
LARGEST_SIDE = 8192
SHADES = " .:-=+*#%@"
"""From dark to bright."""


class Still(Widget):
    """A picture as large as fits, in the middle; below it nothing, or words where there is no picture."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture: Picture | None = None
        self._pixels: Picture | None = None
        self._words = "no picture yet"
        self._shown: tuple[str, int] | None = None

    def show(self, picture: Picture | None, words: str = "") -> None:
        """Show a picture, or words in its place."""
        self._picture, self._words = picture, words
        self._fit()

    def show_file(self, path: Path | None) -> None:
        """Show a picture file; read in a thread, and only when it is another one than before."""
        try:
            version = None if path is None else (str(path), path.stat().st_mtime_ns)
        except OSError:
            version = None
        if path is None or version is None or version == self._shown:
            return
        self._shown = version

        async def load() -> None:
            self.show(*await in_thread(lambda: read_picture(path)))
            self.border_subtitle = plain(path.name, 40)

        self.run_worker(load(), group="still", exclusive=True)

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
            cells.append(Segment("▀" * (x - start), Style(color=top, bgcolor=bottom)))
            start = x
    return cells


def ascii_cells(pair: UInt8[np.ndarray, "2 width 3"]) -> list[Segment]:
    """Two rows of pixels as one row of characters by their brightness, dark on light."""
    bright = pair.astype(float).mean((0, 2)) / 255
    level = np.clip((1 - bright) * len(SHADES), 0, len(SHADES) - 1).astype(int)
    return [Segment("".join(SHADES[i] for i in level))]


def newest_picture(folder: Path, previews: Sequence[str]) -> Path | None:
    """The newest preview that is a PNG inside the run folder; elsewhere a log must not make us read files."""
    inside = os.path.realpath(folder)
    for name in reversed(previews):
        path = Path(name) if Path(name).is_absolute() else folder / name
        try:
            real = Path(os.path.realpath(path))
        except (OSError, ValueError):
            continue
        if real.suffix.lower() == ".png" and real.is_relative_to(inside) and real.is_file():
            return real
    return None


def read_picture(path: Path) -> tuple[Picture | None, str]:
    """A PNG, or why it cannot be shown."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None, "the picture is too large to be shown here"
        with Image.open(path, formats=("PNG",)) as image:
            if max(image.size) > LARGEST_SIDE:
                return None, "the picture is too large to be shown here"
            return np.asarray(image.convert("RGB")), ""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return None, f"the picture cannot be read: {error}"
