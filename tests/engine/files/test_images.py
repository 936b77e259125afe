from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engine.errors import DataError, EngineError
from engine.files.images import VideoWriter, contact_sheet, exact_rate, to_picture, write_png
from engine.preview.plots import HEIGHT, WIDTH, Plot, draw_plots


def ramp(frame: int, height: int = 48, width: int = 64) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = 20 * frame
    return picture


@pytest.mark.parametrize(
    ("rate", "exact"),
    [
        (24.0, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (30000 / 1001, Fraction(30000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (29.969, Fraction(29969, 1000)),
        (12.5, Fraction(25, 2)),
        (0.5, Fraction(1, 2)),
        (100.0, Fraction(100)),
    ],
)
def test_videos_have_the_exact_rate_and_every_frame(tmp_path: Path, rate: float, exact: Fraction) -> None:
    assert exact_rate(rate) == exact
    path = tmp_path / "v.mp4"
    with VideoWriter(path, rate, 48, 64) as video:
        for frame in range(7):
            video.write(ramp(frame))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == exact
        frames = list(container.decode(stream))
    assert len(frames) == 7
    assert [round(f.time * exact) for f in frames] == list(range(7))
    reds = [f.to_ndarray(format="rgb24")[..., 0].mean() for f in frames]
    np.testing.assert_allclose(reds, 20 * np.arange(7), atol=6)


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", 24.0, 47, 63) as video:
        video.write(ramp(5, 47, 63))
    with av.open(str(tmp_path / "v.mp4")) as container:
        (frame,) = container.decode(video=0)
    assert (frame.height, frame.width) == (48, 64)


def test_a_video_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "v.mp4", 24.0, 48, 64) as video:
            video.write(ramp(1))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(DataError, match="frames a second"):
        exact_rate(rate)


def test_images_keep_their_bytes(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    write_png(tmp_path / "deep" / "p.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "deep" / "p.png")), picture)
    assert to_picture(np.array([[[-1.0, 0.5, 2.0]]])).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 3), (40, 700)])
def test_png_of_any_size_is_read_back(size: tuple[int, int], tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    for picture in (noise, noise[::-1, ::-1], np.zeros_like(noise)):
        write_png(tmp_path / "p.png", picture)
        with Image.open(tmp_path / "p.png") as found:
            found.verify()  # its check sums
        with Image.open(tmp_path / "p.png") as found:
            assert (found.mode, found.format) == ("RGB", "PNG")
            np.testing.assert_array_equal(np.asarray(found), picture)


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be written"):
        write_png(tmp_path / "file" / "p.png", ramp(1))


def test_contact_sheets_hold_all_pictures() -> None:
    sheet = contact_sheet([[ramp(1), ramp(2)], [ramp(3)]], ["a", "b"], ["1", "2"])
    assert sheet.shape == (16 + 48 + 2 + 48, 64 + 2 + 64, 3)
    assert sheet[60, 30, 0] == 20
    assert sheet[60, 100, 0] == 40
    assert sheet[110, 30, 0] == 60
    assert sheet[110, 100].tolist() == [255, 255, 255]


def test_plots_draw_their_lines() -> None:
    times = np.arange(5.0)
    picture = draw_plots([Plot("speed", times, {"result": times, "odd": 0 * times}, [2.0])] * 2)
    assert picture.shape == (2 * HEIGHT, WIDTH, 3)
    assert (picture == [20, 90, 200]).all(-1).sum() > 100
    assert draw_plots([Plot("still", times[:1], {"result": times[:1]})]).shape == (HEIGHT, WIDTH, 3)
