"""Films as cameras and editors leave them: frames at any times, turned, cut by an edit list, or damaged."""

import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ENDS = (".mp4", ".mov", ".m4v", ".mkv")
SHADES = (60, 6)
"""Of frame *n* the upper left quarter has the grey ``SHADES[0] + SHADES[1] n``, by which it is known again."""
MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
SIZE = 64, 96


def make_film(folder: Path, rng: random.Random) -> tuple[Path, list[float], dict[str, int]]:
    """Write a random film; its path, the true time of each of its frames [s], and what was done to it."""
    count = rng.randrange(3, 28)
    even = rng.random() < 0.2
    steps = [40 if even else rng.choice((5, 17, 33, 42, 80, 210)) for _ in range(count - 1)]
    stamps = np.cumsum([0, *steps]).tolist()
    path = folder / f"film{rng.choice(ENDS)}"
    done = {"offset": rng.choice((0, 0, 300, 1500)), "turn": 0, "cut": 0}
    _write(path, [stamp + done["offset"] for stamp in stamps], rng.choice((0, 2)))
    if path.suffix != ".mkv":
        content = bytearray(path.read_bytes())
        done["turn"] = rng.choice(sorted(MATRICES))
        _turn(content, MATRICES[done["turn"]])
        if rng.random() < 0.4:
            done["cut"] = rng.choice((2, 3, 4))
            _shorten(content, done["cut"])
        path.write_bytes(content)
    return path, [stamp / 1000 for stamp in stamps], done


def _write(path: Path, stamps: list[int], b_frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": str(b_frames), "crf": "1"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            picture = np.full((*SIZE, 3), 20, np.uint8)
            picture[: SIZE[0] // 2, : SIZE[1] // 2] = SHADES[0] + SHADES[1] * number
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _turn(content: bytearray, matrix: tuple[int, int, int, int]) -> None:
    """Set the matrix in the header of the track (version 0)."""
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def _shorten(content: bytearray, part: int) -> None:
    """Have the edit list show only the first part of the frames."""
    at = content.index(b"elst") + 8
    count = struct.unpack(">I", content[at : at + 4])[0]
    last = at + 4 + 12 * (count - 1)
    duration, media, rate = struct.unpack(">iii", content[last : last + 12])
    content[last : last + 12] = struct.pack(">iii", duration // part, media, rate)


def wrong_with(path: Path, stamps: list[float], done: dict[str, int]) -> list[str]:
    """What reading the film gets wrong: frames by their greys, their times, the way they are turned."""
    from engine.files.video_file import read_video

    video = read_video(path)
    height, width = video.frames.shape[-2:]
    upright = SIZE if done["turn"] % 180 == 0 else SIZE[::-1]
    wrong = [] if (height, width) == upright else [f"{width} x {height} pixels"]
    corners = {
        0: (slice(0, height // 2), slice(0, width // 2)),
        90: (slice(0, height // 2), slice(width // 2, None)),
        180: (slice(height // 2, None), slice(width // 2, None)),
        270: (slice(height // 2, None), slice(0, width // 2)),
    }
    greys = video.frames[:, 0][:, *corners[done["turn"]]].mean((1, 2)).numpy() * 255
    numbers = np.rint((greys - SHADES[0]) / SHADES[1]).astype(int).tolist()
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or not 0 <= numbers[0] < len(stamps):
        return [*wrong, f"frames {numbers}"]
    if not done["cut"] and len(numbers) != len(stamps):
        wrong.append(f"{len(numbers)} of {len(stamps)} frames")
    true = np.array([stamps[number] for number in numbers])
    if np.abs(np.array(video.times) - (true - true[0])).max() > 0.0015:
        wrong.append(f"times {video.times[:5]} in place of {(true - true[0])[:5]}")
    return wrong
