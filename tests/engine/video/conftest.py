"""Tiny random video models and short contexts; all on one thread, for other work runs beside."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.video.network.model import VideoModel, build_model
from engine.video.network.shapes import TINY


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def new_model() -> Callable[[], VideoModel]:
    """Builds the same tiny random model again and again."""

    def build() -> VideoModel:
        torch.manual_seed(5)
        return build_model(TINY)

    return build


@pytest.fixture
def model(new_model: Callable[[], VideoModel]) -> VideoModel:
    return new_model()


@pytest.fixture
def context() -> Tensor:
    """A bright wave that wanders over grey, 18 frames of 2 views."""
    x = torch.linspace(0, 1, 48)
    time = torch.arange(18)[None, :, None] / 20
    view = torch.arange(2)[:, None, None]
    wave = 0.5 + 0.5 * torch.sin(12 * (x + time) + view)
    return wave[:, :, None, None, :].expand(2, 18, 3, 32, 48).contiguous()
