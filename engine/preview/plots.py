"""Line plots as pictures, drawn with Pillow: enough for a report, without a plotting library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.files.images import Picture
from usd_io.errors import timecode
from usd_io.shapes import Float

COLORS = {"slerp": (225, 120, 30), "result": (20, 90, 200), "truth": (60, 60, 60), "keys": (150, 60, 160)}
OTHER_COLOR = (0, 130, 100)
WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 22, 22
"""Room for labels around the axes [pixels]."""
SUPERSAMPLING = 2
FONT_PX = 12


@dataclass(frozen=True, eq=False)
class Plot:
    """Some lines over one range of times."""

    title: str
    times: Float[np.ndarray, " frame"]
    lines: Mapping[str, Float[np.ndarray, " frame"]]
    marks: Sequence[float] = ()
    """Times with a vertical line: the keys."""


def draw_plots(plots: Sequence[Plot]) -> Picture:
    """Plots one below another."""
    return np.concatenate([_draw(plot) for plot in plots])


def _draw(plot: Plot) -> Picture:
    scale = SUPERSAMPLING
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(FONT_PX * scale)
    top_value = max((float(np.nanmax(line)) for line in plot.lines.values()), default=0.0) or 1.0
    start, end = float(plot.times[0]), float(plot.times[-1])
    span = (end - start) or 1.0

    def x(time: float) -> float:
        return scale * (LEFT + (time - start) / span * (WIDTH - LEFT - RIGHT))

    def y(value: float) -> float:
        return scale * (HEIGHT - BOTTOM - value / top_value * (HEIGHT - TOP - BOTTOM))

    for mark in plot.marks:
        draw.line([(x(mark), y(0)), (x(mark), y(top_value))], fill=(222, 222, 222), width=scale)
    draw.line([(x(start), y(top_value)), (x(start), y(0)), (x(end), y(0))], fill=(120, 120, 120), width=scale)
    for value in (0.0, top_value):
        draw.text((4 * scale, y(value) - 8 * scale), f"{value:.3g}", fill=(60, 60, 60), font=font)
    for time in (start, end):
        text = timecode(time)
        place = min(x(time), scale * WIDTH - draw.textlength(text, font=font) - scale)
        draw.text((place, y(0) + 4 * scale), text, fill=(60, 60, 60), font=font)
    for name, line in plot.lines.items():
        points = [(x(t), y(v)) for t, v in zip(plot.times.tolist(), line.tolist(), strict=True) if v == v]
        draw.line(points, fill=COLORS.get(name, OTHER_COLOR), width=2 * scale, joint="curve")
    _legend(draw, font, plot, scale)
    return np.asarray(image.reduce(scale))


def _legend(
    draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, plot: Plot, scale: int
) -> None:
    place = float(scale * LEFT)
    for name, color in [(plot.title, (0, 0, 0)), *((n, COLORS.get(n, OTHER_COLOR)) for n in plot.lines)]:
        draw.text((place, 2 * scale), name, fill=color, font=font)
        place += draw.textlength(name, font=font) + 14 * scale
