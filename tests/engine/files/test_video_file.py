"""Videos from disk, sound and broken."""

import os
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engine.errors import ConfigError, DataError, ExitCode, exit_code
from engine.files import video_file
from engine.files.images import Picture, VideoWriter, write_png
from engine.files.video_file import VideoOutline, outline_video, read_video


def pictures(count: int = 5, height: int = 32, width: int = 48) -> list[Picture]:
    """A bright bar that moves over a colour wedge."""
    result = []
    for i in range(count):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., 0] = np.linspace(0, 255, width)
        picture[:, 8 * i : 8 * i + 8] = 230
        result.append(picture)
    return result


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 12.5, 32, 48) as writer:
        for picture in pictures():
            writer.write(picture)
    return path


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number, picture in zip((1, 2, 9, 10, 11), pictures(), strict=True):
        write_png(tmp_path / f"frame{number}.png", picture)
    (tmp_path / "notes.txt").write_text("not a picture")
    video = read_video(tmp_path)
    assert video.times == pytest.approx([i / 15 for i in range(5)])
    expected = np.stack(pictures()).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(video.frames.numpy(), expected, atol=1e-6)
    assert read_video(tmp_path, 24).times[4] == pytest.approx(4 / 24)


def test_film_gives_its_frames_and_rate(film: Path) -> None:
    video = read_video(film)
    assert video.times == pytest.approx([i / 12.5 for i in range(5)])
    expected = np.stack(pictures()).transpose(0, 3, 1, 2) / 255
    assert np.abs(video.frames.numpy() - expected).mean() < 0.05
    assert read_video(film, 30).times[1] == pytest.approx(1 / 30)


def test_transparent_pictures_lie_over_white(tmp_path: Path) -> None:
    layer = np.zeros((16, 16, 4), np.uint8)
    layer[:8] = 40, 50, 60, 255
    Image.fromarray(layer).save(tmp_path / "0.png")
    frame = (read_video(tmp_path).frames[0] * 255).round()
    assert frame[:, 0, 0].tolist() == [40, 50, 60]
    assert frame[:, 15, 0].tolist() == [255, 255, 255]


def test_missing_videos_and_impossible_rates_are_usage_errors(tmp_path: Path, film: Path) -> None:
    with pytest.raises(ConfigError, match="no folder and no file") as missing:
        read_video(tmp_path / "none.mp4")
    assert exit_code(missing.value) == ExitCode.USAGE
    with pytest.raises(ConfigError, match="no folder and no file"):
        outline_video(tmp_path / "none.mp4")
    outline_video(film)
    for fps in (0.0, -1.0, float("nan"), float("inf"), 1e9):
        with pytest.raises(ConfigError, match="frame rate"):
            read_video(film, fps)
        with pytest.raises(ConfigError, match="frame rate"):
            outline_video(film, fps)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
def test_truncated_film_is_refused(film: Path, keep: float) -> None:
    data = film.read_bytes()
    film.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=r"film\.mp4"):
        read_video(film)


def test_damaged_film_is_read_whole_or_refused(film: Path) -> None:
    data, random = film.read_bytes(), np.random.default_rng(0)
    for _ in range(30):
        broken = np.frombuffer(data, np.uint8).copy()
        broken[random.integers(0, len(broken), 20)] = random.integers(0, 256, 20)
        film.write_bytes(broken.tobytes())
        with suppress(DataError):
            assert 0 < len(read_video(film, 15).frames) <= 100


def test_playlist_under_the_name_of_a_film_reads_no_other_file(film: Path, tmp_path: Path) -> None:
    for name in ("list.mp4", "list.mkv"):
        (tmp_path / name).write_text(f"#EXTM3U\n#EXTINF:1,\n{film}\n")
        with pytest.raises(DataError, match="cannot be read"):
            read_video(tmp_path / name)


def test_other_things_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(DataError, match="is not a video that can be read"):
        read_video(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    for read in (read_video, outline_video):
        with pytest.raises(DataError, match="holds no PNG"):
            read(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ConfigError, match="no folder and no file"):
        read_video(tmp_path / "pipe.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for read in (read_video, outline_video):
        with pytest.raises(DataError, match="no video"):
            read(tmp_path / "sound.mp4")


def test_broken_and_odd_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "0.png", pictures()[0])
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"1\.png cannot be read as a picture"):
        read_video(tmp_path)
    (tmp_path / "1.png").unlink()
    (tmp_path / "1.png").mkdir()
    with pytest.raises(DataError, match=r"1\.png is no picture"):
        read_video(tmp_path)
    (tmp_path / "1.png").rmdir()
    write_png(tmp_path / "1.png", pictures(height=40)[0])
    with pytest.raises(DataError, match="frame 1 has 48 x 40 pixels, those before 48 x 32"):
        read_video(tmp_path)
    write_png(tmp_path / "1.png", pictures()[1])
    monkeypatch.setattr(video_file, "MOST_FRAMES", 1)
    with pytest.raises(DataError, match="longer than 1 frame"):
        read_video(tmp_path)


@pytest.mark.parametrize("size", [(8, 100), (16, 5000)])
def test_absurd_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size[::-1]).save(tmp_path / "0.png")
    with pytest.raises(DataError, match="sides of 16 to 4096 are read"):
        read_video(tmp_path)


def test_too_long_film_is_cut_off_while_it_is_read(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "MOST_PIXELS", 3 * 32 * 48)
    with pytest.raises(DataError, match="longer than 3 frames"):
        read_video(film)


def uneven(path: Path, stamps: list[int], *, offset: int = 0) -> Path:
    """A film whose frames are shown at these milliseconds, each a little brighter at its top left."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            picture = np.full((64, 96, 3), 40, np.uint8)
            picture[:32, :48] = 120 + number
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp + offset, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mov"])
@pytest.mark.parametrize("offset", [0, 700])
def test_times_of_an_uneven_film_are_those_of_its_frames(tmp_path: Path, name: str, offset: int) -> None:
    stamps = [10 * i for i in range(12)] + [120 + 80 * i for i in range(12)]
    film = uneven(tmp_path / name, stamps, offset=offset)
    video = read_video(film)
    assert np.allclose(video.times, np.array(stamps) / 1000, atol=0.0011)
    assert outline_video(film) == VideoOutline(64, 96, video.times)


def test_a_named_rate_stands_over_time_stamps(tmp_path: Path) -> None:
    video = read_video(uneven(tmp_path / "film.mp4", [0, 10, 500]), fps=10)
    assert np.allclose(video.times, [0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((0, 1, -1, 0), "top right"), ((-1, 0, 0, -1), "bottom right"), ((0, -1, 1, 0), "bottom left")],
)
def test_a_rotated_film_is_turned_as_a_player_turns_it(
    tmp_path: Path, matrix: tuple[int, int, int, int], corner: str
) -> None:
    film = uneven(tmp_path / "film.mp4", [0, 100, 200])
    content = bytearray(film.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # the matrix of the track's header, version 0
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    film.write_bytes(content)
    frame = read_video(film).frames[0].mean(0).numpy()
    assert frame.shape == ((96, 64) if matrix[0] == 0 else (64, 96))
    assert frame.shape == (outline_video(film).height, outline_video(film).width)
    rows, columns = np.array_split(np.arange(frame.shape[0]), 2), np.array_split(np.arange(frame.shape[1]), 2)
    bright = {
        f"{v} {h}": frame[np.ix_(rows[i], columns[j])].mean()
        for i, v in enumerate(("top", "bottom"))
        for j, h in enumerate(("left", "right"))
    }
    assert max(bright, key=lambda name: bright[name]) == corner


@pytest.mark.parametrize("steps", [(100,), (5, 210, 33, 17)])
def test_an_edit_list_leaves_out_frames_and_their_times(steps: tuple[int, ...], tmp_path: Path) -> None:
    stamps = np.cumsum([0, *(steps[i % len(steps)] for i in range(9))]).tolist()
    film = uneven(tmp_path / "film.mp4", stamps)
    content = bytearray(film.read_bytes())
    at = content.index(b"elst") + 8
    count = struct.unpack(">I", content[at : at + 4])[0]
    last = at + 4 + 12 * (count - 1)
    duration, media, rate = struct.unpack(">iii", content[last : last + 12])
    content[last : last + 12] = struct.pack(">iii", duration // 2, media, rate)  # the first half alone
    film.write_bytes(content)
    with av.open(str(film)) as container:
        true = [float(frame.time) for frame in container.decode(video=0)]
    assert 3 < len(true) < 10
    assert np.allclose(read_video(film).times, np.array(true) - true[0])
    assert outline_video(film).times == read_video(film).times
    assert np.allclose(np.array(true) - true[0], np.array(stamps[: len(true)]) / 1000, atol=0.0011)
