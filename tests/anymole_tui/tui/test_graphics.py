"""Pictures in the graphics of terminals: the bytes that a terminal is sent, decoded, are the picture."""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.segment import Segment
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from anymole_tui.terminal.diff_renderer import Painted
from anymole_tui.terminal.graphics import Graphic, kitty_graphic, sixel_graphic
from anymole_tui.tui.workers import ThumbnailProcess
from tests.anymole_tui.tui.pixels import Pixels
from tests.anymole_tui.tui.terminal import Terminal, tui
from tests.patience import PATIENCE_S

CELL = (10, 20)
SIZE = (40, 12)
PLACE = Region(5, 2, 20, 8)
NEAR = {"kitty": 0, "sixel": 20}
"""How far a colour may be off: sixels have 256 of them, told in percent."""


def smooth(height: int, width: int) -> np.ndarray:
    """A picture with many colours in which no pixel is black and no part looks like another one."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack((40 + 200 * x / width, 40 + 200 * y / height, 100 + 50 * np.sin(x / 9)), -1)
    return pixels.astype(np.uint8)


def graphic(kind: str, pixels: np.ndarray, place: Region) -> Graphic:
    if kind == "kitty":
        return kitty_graphic(pixels, place.height, place.width, 3)
    return sixel_graphic(pixels, place.height, place.width, (CELL[1], CELL[0]))


class Screen:
    """A screen of cells with one picture, painted on a terminal that draws."""

    def __init__(self, kind: str) -> None:
        self.place = PLACE
        self.kind = kind
        self.painted = Painted()
        self.terminal = Pixels(SIZE, CELL)
        self.mark = self.painted.take_mark(lambda: self.place)

    def show(self, pixels: np.ndarray) -> None:
        self.painted.show(self.mark, graphic(self.kind, pixels, self.place))

    def paint(self, over: Region | None = None) -> int:
        """Paint all cells, with some words over the picture; returns the bytes that it takes."""
        lines = []
        for y in range(SIZE[1]):
            line = "." * SIZE[0]
            if self.place.y <= y < self.place.bottom:
                line = line[: self.place.x] + self.mark * self.place.width + line[self.place.right :]
            if over and over.y <= y < over.bottom:
                line = line[: over.x] + "#" * over.width + line[over.right :]
            lines.append([Strip([Segment(line)])])
        update = LayoutUpdate(lines, Region(0, 0, *SIZE))
        sent = self.painted.changes(update).render_segments(Console(force_terminal=True)).encode()
        self.terminal.feed(sent)
        return len(sent)

    def expected(self, pixels: np.ndarray, over: Region | None = None) -> np.ndarray:
        canvas = np.zeros((SIZE[1] * CELL[1], SIZE[0] * CELL[0], 3), np.uint8)
        for place, content in ((self.place, pixels), (over, 0)):
            if place is not None:
                rows = slice(place.y * CELL[1], place.bottom * CELL[1])
                canvas[rows, place.x * CELL[0] : place.right * CELL[0]] = content
        return canvas

    def check(self, pixels: np.ndarray, over: Region | None = None) -> None:
        off = np.abs(self.terminal.canvas.astype(int) - self.expected(pixels, over))
        assert off.max() <= NEAR[self.kind], np.argwhere(off.max(-1) > NEAR[self.kind])[:5]


@pytest.mark.parametrize("kind", ["kitty", "sixel"])
def test_a_picture_is_seen_where_its_cells_are_and_nowhere_else(kind: str) -> None:
    screen = Screen(kind)
    pixels = smooth(PLACE.height * CELL[1], PLACE.width * CELL[0])
    screen.show(pixels)
    screen.paint()
    screen.check(pixels)
    assert screen.paint() == 0
    for over in (Region(10, 4, 4, 3), Region(0, 0, 15, 5), Region(20, 0, 20, 12), Region(0, 0, 40, 12)):
        screen.paint(over)
        screen.check(pixels, over)
        assert screen.paint(over) == 0
    screen.paint()
    screen.check(pixels)
    screen.place = PLACE.translate((8, 1))
    screen.paint()
    screen.check(pixels)
    other = pixels[::-1].copy()
    screen.show(other)
    screen.paint()
    screen.check(other)
    screen.painted.forget()
    screen.terminal = Pixels(SIZE, CELL)
    screen.paint()
    screen.check(other)
    screen.painted.give_mark_back(screen.mark)
    screen.mark = " "
    screen.paint()
    assert not screen.terminal.canvas.any()


def test_kitty_is_sent_a_picture_once() -> None:
    screen = Screen("kitty")
    screen.show(np.random.default_rng(3).integers(1, 255, (160, 200, 3)).astype(np.uint8))
    assert screen.paint() > 50_000
    assert screen.paint(Region(10, 4, 4, 3)) < 2_000
    assert screen.paint() < 2_000


def test_a_picture_of_another_size_fills_its_cells() -> None:
    pixels = smooth(80, 100)
    screen = Screen("sixel")
    screen.show(pixels)
    screen.paint()
    large = Image.fromarray(pixels).resize((200, 160), Image.Resampling.BILINEAR)
    screen.check(np.asarray(large))


def expected(thumbnails: ThumbnailProcess, stage: Path, view: str, shape: tuple[int, ...]) -> np.ndarray:
    request: dict[str, Any] = {"stage": str(stage), "time": 0.0, "view": view}
    background = tuple(c / 255 for c in (0x16, 0x16, 0x1D))
    return thumbnails.draw({**request, "height": shape[0], "width": shape[1], "background": background})


@pytest.fixture(scope="module")
def thumbnails() -> Iterator[ThumbnailProcess]:
    """One process that draws what is expected."""
    process = ThumbnailProcess()
    yield process
    process.close()


@pytest.mark.parametrize("kind", ["kitty", "sixel"])
def test_the_app_sends_what_the_renderer_drew(
    kind: str, fox_keys: Path, thumbnails: ThumbnailProcess
) -> None:
    """On a pty: the picture comes, changes, is covered by help, moves with the size of the terminal, and goes."""
    wanted = cache(lambda view, shape: expected(thumbnails, fox_keys, view, shape).astype(int))
    size = (100, 30)
    environment = {"ANYMOLE_STATE_DIR": str(fox_keys.parent / "state"), "ANYMOLE_CONFIG": ""}
    command = tui(fox_keys, "--pictures", kind)
    with Terminal(command, {**environment, "COLORTERM": "truecolor"}, size, CELL) as terminal:
        screen = Pixels(size, CELL)
        terminal.wait_for(b"Skeleton")

        def comes(view: str, least: int = 1) -> np.ndarray:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                screen.feed(terminal.read(0.1))
                seen = screen.picture()
                if seen.shape[0] % CELL[1] == 0 and seen.shape[0] >= least:
                    if np.abs(seen - wanted(view, seen.shape)).max() <= NEAR[kind]:
                        return seen
            raise AssertionError(f"{view} was not drawn")

        terminal.send(b"m")
        first = comes("three-quarter")
        assert len(np.unique(first.reshape(-1, 3), axis=0)) > 50  # it is no empty picture
        terminal.send(b"v")
        comes("front")
        terminal.send(b"?")
        screen.feed(terminal.wait_for_all(b"escape closes"))
        covered = screen.canvas.any(-1).sum()
        assert 0 < covered < first.shape[0] * first.shape[1]
        terminal.send(b"\x1b")
        comes("front")
        terminal.resize((120, 36))
        screen.resize((120, 36))
        comes("front", first.shape[0] + CELL[1])
        terminal.send(b"q")
        for _ in range(100):
            screen.feed(terminal.read(0.1))
            if not screen.canvas.any():
                break
        assert not screen.canvas.any()
