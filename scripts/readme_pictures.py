"""The pictures of the README: ``python scripts/readme_pictures.py DEMO [--out docs/images]``.

DEMO is the folder that ``anymole demo`` has filled. The contact sheet of the boxer becomes a small PNG, its video a GIF
that loops over the gaps, both with a palette so that the README loads at once.
"""

import argparse
from pathlib import Path

import av
from PIL import Image

WIDTH_PX = 1120
"""Of the sheet."""
GIF_WIDTH_PX = 720
COLOURS = 256
FIRST, LAST = 216, 306
"""Time codes of the gaps, between which the GIF loops."""
LEAD = 14
"""Time codes of context that the video shows before, at every other frame."""


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    run = arguments.demo / "boxer" / "shot_inbetween"
    sheet = Image.open(run / "preview.png").convert("RGB")
    sheet = sheet.resize((WIDTH_PX, round(sheet.height * WIDTH_PX / sheet.width)), Image.Resampling.LANCZOS)
    sheet.quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE).save(
        arguments.out / "boxer.png", optimize=True
    )
    with av.open(str(run / "preview.mp4")) as video:
        rate = float(video.streams.video[0].average_rate or 15)
        frames = [frame.to_image() for frame in video.decode(video=0)]
    frames = [small(frame) for frame in frames[LEAD // 2 : LEAD // 2 + (LAST - FIRST) // 2 + 1]]
    palette = mosaic(frames).quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(
        arguments.out / "boxer.gif",
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 / rate),
        loop=0,
        optimize=True,
    )


def small(frame: Image.Image) -> Image.Image:
    """A frame at the width of the GIF."""
    height = round(frame.height * GIF_WIDTH_PX / frame.width)
    return frame.resize((GIF_WIDTH_PX, height), Image.Resampling.LANCZOS)


def mosaic(frames: list[Image.Image]) -> Image.Image:
    """Some frames in one picture, of which one palette for all is made."""
    chosen = frames[:: max(1, len(frames) // 6)]
    picture = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
    for row, frame in enumerate(chosen):
        picture.paste(frame, (0, row * frame.height))
    return picture


if __name__ == "__main__":
    main()
