"""Pictures and videos on disk: PNG, H.264 at the exact frame rate, contact sheets. Files appear whole or not at all."""

import zlib
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

from engine.errors import DataError
from engine.files.atomic import whole_file, write_bytes
from usd_io.shapes import Float, UInt8

Picture = UInt8[np.ndarray, "height width 3"]
Sheet = UInt8[np.ndarray, "sheet_height sheet_width 3"]
"""Made of pictures, so of another size."""

LARGEST_RATE_PART = 1_000_000
"""Frame rates are fractions with numerator and denominator up to this: 23.976 and 30000/1001 are exact."""
QUALITY = "18"
"""Constant rate factor of x264: visually lossless."""
PNG_LEVEL = 1
"""Of zlib, which looks for run lengths alone: differences along a row are mostly zero. Pillow, which chooses among five
ways to write each row, takes more than twice as long for files a tenth larger (docs/experiments.md)."""
LABEL_PX = 12
GAP_PX = 2


def to_picture(rgb: Float[np.ndarray, "height width 3"]) -> Picture:
    """Display colours in [0, 1] as bytes."""
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_png(path: Path, picture: Picture) -> None:
    """Write an image.

    Raises:
        EngineError: The folder or the file cannot be written.
    """
    write_bytes(path, png_bytes(picture))


def png_bytes(picture: Picture) -> bytes:
    """An image as PNG (https://www.w3.org/TR/png-3): 8 bits of RGB, each row as differences from the pixel before."""
    height, width = picture.shape[:2]
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = 1  # filter type "Sub"
    flat = picture.reshape(height, 3 * width)
    rows[:, 1:4] = flat[:, :3]
    np.subtract(flat[:, 3:], flat[:, :-3], out=rows[:, 4:])
    stream = zlib.compressobj(PNG_LEVEL, strategy=zlib.Z_RLE)
    content = stream.compress(rows.data) + stream.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    )


def exact_rate(frame_rate: float) -> Fraction:
    """A frame rate [1/s] as the fraction that videos store."""
    if not 0 < frame_rate < LARGEST_RATE_PART:
        raise DataError(f"a video cannot have {frame_rate:g} frames a second; choose other times.")
    ntsc = Fraction(round(frame_rate * 1001), 1001)  # 29.97 stands for 30000/1001
    if ntsc.numerator % 1000 == 0 and abs(float(ntsc) - frame_rate) < 5e-4:
        return ntsc
    return Fraction(frame_rate).limit_denominator(10_000)


class VideoWriter:
    """Encodes pictures of one size as H.264 in an mp4 file; used in a ``with`` statement."""

    def __init__(
        self, path: Path, frame_rate: float, height: int, width: int, *, preset: str = "medium"
    ) -> None:
        """``preset`` is one of x264: at the same quality, quicker ones make larger files."""
        self._context = whole_file(path)
        self._rate = exact_rate(frame_rate)
        self._size = height, width
        self._count = 0
        self._preset = preset

    def __enter__(self) -> "VideoWriter":
        temporary = self._context.__enter__()
        self._container = av.open(str(temporary), "w", format="mp4")
        stream = self._container.add_stream(
            "libx264", rate=self._rate, options={"crf": QUALITY, "preset": self._preset}
        )
        assert isinstance(stream, VideoStream)
        height, width = self._size
        stream.height, stream.width = height + height % 2, width + width % 2  # chroma has half the size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / self._rate
        stream.codec_context.thread_count = 1
        self._stream = stream
        return self

    def write(self, picture: Picture) -> None:
        """Append a picture; odd sizes are padded with their last row and column."""
        height, width = picture.shape[:2]
        padded = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(padded, format="rgb24")
        frame.pts = self._count
        frame.time_base = 1 / self._rate
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        self._context.__exit__(kind, error, trace)


def contact_sheet(
    rows: Sequence[Sequence[Picture]], row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()
) -> Sheet:
    """Pictures of one size in a grid, with labels written onto the first of each row and above each column."""
    height, width = rows[0][0].shape[:2]
    top = LABEL_PX + 4 if column_labels else 0
    columns = max(map(len, rows))
    sheet = np.full(
        (top + len(rows) * (height + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX, 3), 255, np.uint8
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = top + i * (height + GAP_PX), j * (width + GAP_PX)
            sheet[y : y + height, x : x + width] = picture
    places = [(2 + j * (width + GAP_PX), 1, text) for j, text in enumerate(column_labels)]
    places += [(2, top + i * (height + GAP_PX) + 1, text) for i, text in enumerate(row_labels)]
    return write_labels(sheet, places)


def write_labels(picture: Sheet, labels: Sequence[tuple[int, int, str]]) -> Sheet:
    """Write lines of text at (x, y) [pixels]."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = _font()
    for x, y, text in labels:
        draw.text((x, y), text, fill=(40, 40, 40), font=font)
    return np.asarray(image)


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(LABEL_PX)
