"""Pictures that a run has written, read for the terminal."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from anymole_tui.terminal.graphics import Pixels
from engine import DataError
from usd_io import shown

LARGEST_FILE = 32 << 20
LARGEST_SIDE = 8192


def newest_picture(folder: Path, previews: Sequence[str]) -> Path | None:
    """The newest preview that is a PNG inside the run folder; elsewhere a log must not make us read files.

    Plots come last, though they are written last: who asks for a picture wants to see the character.
    """
    inside = os.path.realpath(folder)
    newest_first = previews[::-1]
    for name in sorted(newest_first, key=lambda name: name.endswith("_plot.png")):
        path = Path(name) if Path(name).is_absolute() else folder / name
        if not os.path.exists(path):  # noqa: PTH110  # the folder was moved, or is seen from elsewhere
            path = folder / Path(name).name
        try:
            real = Path(os.path.realpath(path))
        except (OSError, ValueError):
            continue
        if real.suffix.lower() == ".png" and real.is_relative_to(inside) and real.is_file():
            return real
    return None


def read_picture(path: Path, height: int, width: int, background: tuple[float, float, float]) -> Pixels:
    """A PNG as large as fits, in the middle.

    Args:
        path: The file.
        height: Of the result [pixels].
        width: Of the result [pixels].
        background: What is around it, sRGB in [0, 1].

    Raises:
        DataError: It cannot be read or is too large.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if path.stat().st_size > LARGEST_FILE or max(image.size) > LARGEST_SIDE:
                raise DataError(f"{shown(path.name)} is too large to be shown here.")
            scale = min(width / image.width, height / image.height)
            size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            small = image.convert("RGB").resize(size, Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{shown(path.name)} cannot be read: {shown(error)}.") from error
    canvas = Image.new("RGB", (width, height), tuple(round(255 * c) for c in background))
    canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(canvas)
