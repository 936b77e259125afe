"""A picture in the terminal: in its own graphics where it can, else in half blocks, or in ASCII."""

import asyncio

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from anymole_tui.terminal.graphics import Graphic, Kind, Pixels, cell_pixels, kitty_graphic, sixel_graphic
from anymole_tui.tui.host import host
from anymole_tui.tui.widgets.image import Still

MOST_PX = (600, 800)
"""Height and width of the largest picture that is drawn; the terminal makes it larger."""


class Picture(Container):
    """Shows one still picture at a time, or words."""

    class Resized(Message):
        """It has another size, so that another picture may fit."""

    DEFAULT_CSS = """
    Picture { height: 1fr; align: center middle; }
    Picture > Static { width: 100%; text-align: center; color: $foreground 60%; }
    Picture > .image { width: 100%; height: 100%; }
    """

    def __init__(self, kind: Kind, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._kind = kind
        self._image = TerminalPicture(kind) if kind in ("kitty", "sixel") else Still()
        self._image.add_class("image")
        self._image.display = False
        self._words = Static("", markup=False)

    def compose(self) -> ComposeResult:
        yield self._words
        yield self._image

    def on_resize(self) -> None:
        self.post_message(self.Resized())

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

    @property
    def ready(self) -> bool:
        """Whether another picture can be shown: the codes of the one before are made."""
        return not isinstance(self._image, TerminalPicture) or not self._image.encoding

    def show(self, pixels: Pixels) -> None:
        """Show a picture."""
        self._words.display, self._image.display = False, True
        self._image.show(pixels)

    def say(self, words: str | Content) -> None:
        """Show words in its place."""
        self._image.display, self._words.display = False, True
        self._words.update(words)


class TerminalPicture(Widget):
    """Cells that the terminal fills with a picture in its own graphics.

    Each of them is a character that stands nowhere else, the mark of this picture; :class:`Painted` shows the picture
    where marks stand.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind
        self._mark = ""
        self._pixels: Pixels | None = None
        self.encoding = False
        """Whether codes are being made."""

    def on_mount(self) -> None:
        self._mark = host(self.app).painted.take_mark(lambda: self.content_region)

    def on_unmount(self) -> None:
        host(self.app).painted.give_mark_back(self._mark)

    def show(self, pixels: Pixels) -> None:
        """Show a picture, as large as the widget is."""
        self._pixels = pixels
        self._encode()

    def on_resize(self) -> None:
        self._encode()

    def _encode(self) -> None:
        """Make the codes, which takes up to 0.2 s, in a thread."""
        if self._pixels is not None and self.size.area:
            self.encoding = True
            self.run_worker(self._encode_and_paint(self._pixels, self.size), exclusive=True)

    async def _encode_and_paint(self, pixels: Pixels, size: Size) -> None:
        graphic = await asyncio.to_thread(self._graphic, pixels, size)
        host(self.app).painted.show(self._mark, graphic)
        self.encoding = False
        self.refresh()

    def _graphic(self, pixels: Pixels, size: Size) -> Graphic:
        if self._kind == "kitty":
            return kitty_graphic(pixels, size.height, size.width, ord(self._mark))
        return sixel_graphic(pixels, size.height, size.width, cell_pixels())

    def render_line(self, y: int) -> Strip:
        del y
        return Strip([Segment(self._mark * self.size.width)], self.size.width)


def pixels_for(kind: Kind, size: Size) -> tuple[int, int]:
    """Height and width [pixels] of a picture that fills so many cells."""
    if kind not in ("kitty", "sixel"):
        return size.height * 2, size.width
    height, width = (cells * px for cells, px in zip((size.height, size.width), cell_pixels(), strict=True))
    scale = min(1.0, MOST_PX[0] / max(height, 1), MOST_PX[1] / max(width, 1))
    return round(height * scale), round(width * scale)
