"""Work that is cut off without a word (a kill, a power cut) goes on to the same result."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.files.video import Video
from engine.progress import Progress
from engine.video.adaptation.settings import AdaptSettings
from engine.video.backends.dynamicrafter import Native
from engine.video.network.model import VideoModel
from engine.video.options import AdaptOptions, GenerateOptions

GAPS = [(17 / 30, 47 / 30)]
OPTIONS = GenerateOptions(steps=1, seed=3)


class Killed(BaseException):
    """Nothing catches this."""


def killed_after(checks: int) -> Progress:
    left = iter(range(checks))

    def cancel() -> bool:
        if next(left, None) is None:
            raise Killed
        return False

    return Progress(cancel=cancel)


@pytest.fixture
def native(new_model: Callable[[], VideoModel]) -> Native:
    settings = AdaptSettings(
        steps=2, batch=1, accumulate=1, strides=(1,), held_out=0.0, save_every=1, learning_rate=1e-3
    )
    return Native(
        "small", 32, 48, {"name": "random"}, new_model, torch.device("cpu"), "auto", settings, rate=15.0
    )


@pytest.fixture
def views(context: Tensor) -> dict[str, Video]:
    return {"front": Video(tuple(i / 30 for i in range(18)), context[0])}


def test_killed_adaptation_goes_on(native: Native, views: dict[str, Video], tmp_path: Path) -> None:
    """Encoding one view and three first frames takes four checks, then each step one, after it was saved."""

    def adapt(name: str, progress: Progress, folder: Path | None = None) -> bytes:
        out = tmp_path / f"{name}.safetensors"
        native.adapt(views, "", AdaptOptions(), out=out, progress=progress, checkpoint_dir=folder)
        return out.read_bytes()

    whole = adapt("whole", Progress())
    with pytest.raises(Killed):
        adapt("part", killed_after(4), tmp_path / "state")
    assert not (tmp_path / "part.safetensors").exists()
    assert adapt("resumed", killed_after(4 + 1), tmp_path / "state") == whole


def test_killed_generation_goes_on(native: Native, views: dict[str, Video], tmp_path: Path) -> None:
    front = views["front"]
    true = Video((*front.times, GAPS[0][1]), torch.cat([front.frames, front.frames[:1]]))
    whole = native.generate(true, GAPS, "", OPTIONS, progress=Progress())
    with pytest.raises(Killed):
        native.generate(true, GAPS, "", OPTIONS, progress=killed_after(2), checkpoint_dir=tmp_path)
    resumed = native.generate(true, GAPS, "", OPTIONS, progress=killed_after(1), checkpoint_dir=tmp_path)
    assert torch.equal(whole.frames, resumed.frames)
