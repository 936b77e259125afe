"""The embedded video model: the whole method on a CPU in minutes, without a download. A tour, not quality."""

from pathlib import Path

import torch
from torch import Tensor

from engine.errors import DataError
from engine.files.tensors import check_hash, load_tensors
from engine.video.adaptation.settings import AdaptSettings
from engine.video.network.model import VideoModel, build_model
from engine.video.network.sample import SamplerSettings
from engine.video.network.schedule import TRAIN_STEPS
from engine.video.network.shapes import TINY_TRAINED

WEIGHTS = "tiny.safetensors"
PATH = Path(__file__).parent / "weights" / WEIGHTS
SHA256 = "ede5bc16313a1e2418faa15c4f8fe165825185ab9cafdcee73eb3b372e0a9680"
"""Of the shipped weights."""
SOURCE = {"name": "tiny", "sha256": SHA256}
IMAGE_SIZE = (64, 96)
"""Height and width of the pictures it is meant for [pixels]: drawn ``canonical``, on white without a ground."""
SAMPLER = SamplerSettings(steps=1, guidance=1.0)
"""One step from pure noise: with more, what so small a network leaves of the noise costs more than they gain
(docs/measurements.md)."""
ADAPT = AdaptSettings(
    steps=20, batch=2, accumulate=1, learning_rate=2e-4, timesteps=(TRAIN_STEPS - 1,), drop=0.0, memory="high"
)
"""About a minute of a processor."""
SHIPPED = ("unet", "resampler", "image")
"""Networks with weights of their own: the autoencoder has none, and the text encoder is silent."""


def load_tiny(path: Path = PATH) -> VideoModel:
    """The tiny model with its trained weights, in single precision, on the CPU.

    Raises:
        ResourceMissing: The weights are not there: the package was installed without them.
        DataError: The weights are damaged or another file.
    """
    check_hash(path, SHA256)
    model = silence_text(build_model(TINY_TRAINED, dict(SOURCE)))
    tensors = load_tensors(path)
    for part in SHIPPED:
        own = {k.removeprefix(f"{part}."): v.float() for k, v in tensors.items() if k.startswith(f"{part}.")}
        try:
            getattr(model, part).load_state_dict(own, strict=True)
        except RuntimeError as error:
            raise DataError(f"{path} holds weights of another network than the tiny model's.") from error
    return model


def shipped_tensors(model: VideoModel) -> dict[str, Tensor]:
    """All tensors of a weights file by name."""
    return {
        f"{part}.{name}": value
        for part in SHIPPED
        for name, value in getattr(model, part).state_dict().items()
    }


@torch.no_grad()
def silence_text(model: VideoModel) -> VideoModel:
    """Let the text encoder answer with zeros, in place: the tiny model was never trained on any text."""
    for parameter in model.text.parameters():
        parameter.zero_()
    return model
