"""Pictures in the graphics protocols of terminals: as sixels, or as Kitty's images.

A picture is painted with the cells around it (:mod:`anymole_tui.terminal.diff_renderer`), so that both come in
order, what lies over
it is seen, and it goes when its cells go.
"""

import base64
import fcntl
import io
import os
import struct
import sys
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from textual.geometry import Region

from usd_io.shapes import UInt8

Kind = Literal["kitty", "sixel", "blocks", "ascii"]
"""How pictures are shown."""
Pixels = UInt8[np.ndarray, "height width 3"]
USUAL_CELL_PX = (20, 10)
"""Height and width of a cell where the terminal does not say: those of the VT340, which made sixels."""
COLORS = 256
CHUNK = 4096
"""Bytes of base64 in one of Kitty's codes."""
FIRST_ID = 0xA11E00
"""Of our pictures in the terminal; other programs count from 1."""


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


@dataclass(frozen=True)
class Graphic:
    """A picture as codes of the terminal."""

    sent: str
    """To be sent once."""
    gone: str
    """Takes it away; empty where it goes with the cells that it covers."""
    lies_over: bool
    """Whether it hides what is written into its cells, so that only parts that nothing covers may be placed."""
    place: Callable[[Region], str]
    """Shows a part of it, by cells of the picture, with the upper left corner of the part at the cursor."""


def cell_pixels() -> tuple[int, int]:
    """Height and width of a cell of this terminal [pixels]."""
    try:
        size = fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, bytes(8))  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return USUAL_CELL_PX
    rows, columns, width, height = struct.unpack("HHHH", size)
    if min(rows, columns) == 0 or height < rows or width < columns:
        return USUAL_CELL_PX
    return height // rows, width // columns


def kitty_graphic(pixels: Pixels, rows: int, columns: int, number: int) -> Graphic:
    """A picture that the terminal scales to its cells.

    It is placed at the cursor, not by Kitty's placeholder characters: those came late (0.28), and other terminals do
    not know them.

    Args:
        pixels: The picture.
        rows: Lines that it covers.
        columns: Columns that it covers.
        number: Which of our pictures; another one of the same number takes its place.
    """
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=6)
    data = base64.b64encode(png.getvalue()).decode("ascii")
    name = f"i={FIRST_ID + number}"
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    heads = [f"a=t,f=100,{name},q=2,", *[""] * (len(chunks) - 1)]
    sent = "".join(
        f"\x1b_G{head}m={int(chunk is not chunks[-1])};{chunk}\x1b\\"
        for head, chunk in zip(heads, chunks, strict=True)
    )
    down, across = pixels.shape[0] / rows, pixels.shape[1] / columns

    def place(part: Region) -> str:
        x, right = round(part.x * across), round(part.right * across)
        y, bottom = round(part.y * down), round(part.bottom * down)
        source = f"x={x},y={y},w={right - x},h={bottom - y}"
        which = part.y * columns + part.x + 1
        return f"\x1b_Ga=p,{name},p={which},{source},c={part.width},r={part.height},C=1,q=2\x1b\\"

    return Graphic(sent, f"\x1b_Ga=d,d=i,{name},q=2\x1b\\", True, place)


def sixel_graphic(pixels: Pixels, rows: int, columns: int, cell: tuple[int, int]) -> Graphic:
    """A picture that covers its cells, which have so many pixels, and no more.

    Args:
        pixels: The picture.
        rows: Lines that it covers.
        columns: Columns that it covers.
        cell: Height and width of a cell [pixels].
    """
    size = columns * cell[1], rows * cell[0]
    image = Image.fromarray(pixels)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    codes = sixels(np.asarray(image))
    return Graphic("", "", False, lambda _: codes)


def sixels(pixels: Pixels) -> str:
    """A picture in at most 256 colours as sixels.

    Colours are defined first and chosen by their number alone: to xterm a colour that is defined is not yet chosen.
    """
    height, width = pixels.shape[:2]
    reduced = Image.fromarray(pixels).quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    index, palette = np.asarray(reduced), np.reshape(reduced.getpalette() or [], (-1, 3))
    parts = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for color in np.unique(index):
        red, green, blue = (palette[color] * 100 / 255).round().astype(int)
        parts.append(f"#{color};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = index[top : top + 6]
        bits = (1 << np.arange(len(band), dtype=np.uint8))[:, None]
        rows = [f"#{color}{_runs(((band == color) * bits).sum(0))}" for color in np.unique(band)]
        parts.append("$".join(rows) + "-")
    return "".join(parts) + "\x1b\\"


def _runs(row: np.ndarray) -> str:
    """Bits of six lines as characters, runs of them counted."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    lengths = np.diff(starts, append=len(row)).tolist()
    signs = [chr(63 + bits) for bits in row[starts].tolist()]
    return "".join(sign * n if n < 4 else f"!{n}{sign}" for sign, n in zip(signs, lengths, strict=True))
