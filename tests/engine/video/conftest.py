"""Tiny random video models and short contexts; all on one thread, for other work runs beside."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.files.video import Video
from engine.video.backends import backend
from engine.video.backends.flow import FlowBackend
from engine.video.network.model import VideoModel, build_model
from engine.video.network.shapes import TINY
from tests.engine.video.pipelines import GAPS


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def new_model() -> Callable[[], VideoModel]:
    """Builds the same tiny random model again and again."""

    def build() -> VideoModel:
        torch.manual_seed(5)
        return build_model(TINY)

    return build


@pytest.fixture
def model(new_model: Callable[[], VideoModel]) -> VideoModel:
    return new_model()


@pytest.fixture(scope="session")
def context() -> Tensor:
    """A bright wave that wanders over grey, 18 frames of 2 views."""
    x = torch.linspace(0, 1, 48)
    time = torch.arange(18)[None, :, None] / 20
    view = torch.arange(2)[:, None, None]
    wave = 0.5 + 0.5 * torch.sin(12 * (x + time) + view)
    return wave[:, :, None, None, :].expand(2, 18, 3, 32, 48).contiguous()


@pytest.fixture
def load(store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FlowBackend]:
    """Makes the diffusers models of a folder, the module's fixture ``store``, ready on the processor."""
    monkeypatch.setenv("ANYMOLE_MODELS", str(store))

    def load(name: str) -> FlowBackend:
        found = backend(name, device="cpu")
        assert isinstance(found, FlowBackend)
        return replace(found, height=32, width=32)

    return load


@pytest.fixture
def true(context: Tensor) -> Video:
    """A context of 0.6 s at 30 frames/s and a key 0.2 s after its end."""
    times = tuple(i / 30 for i in range(18))
    frames = context[0, :, :, :, :32]
    return Video((*times, *GAPS[0]), torch.cat([frames, frames[:1], frames[9:10]]))
