"""What ICAdapt trains: spatial layers and image injection, never the temporal layers (paper section 3.1)."""

import re
from collections.abc import Iterator

from torch import nn

from engine.video.network.model import VideoModel

FROZEN = re.compile(r"(^|\.)(temp_convs|temp_attentions|transformer_in|time_embedding|fps_embedding)\.")
"""Of the UNet: temporal convolutions and transformers, and the embeddings of time and frame rate. The output layer is
trained; upstream's comment says otherwise, its code does not."""
PARTS = ("unet", "resampler")
"""Networks with trained parameters; autoencoder, text and image encoder never are."""


def trained_parameters(model: VideoModel) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters that a full adaptation trains, under ``unet.`` or ``resampler.``.

    889,430,724 of the released UNet's and all 48,787,456 of its Resampler's.
    """
    for part in PARTS:
        for name, parameter in getattr(model, part).named_parameters():
            if part != "unet" or not FROZEN.search(name):
                yield f"{part}.{name}", parameter


def trained_matrices(model: VideoModel) -> Iterator[tuple[str, nn.Linear]]:
    """All linear layers among them, which a low-rank adaptation trains: attention, feed-forward and projections."""
    for part in PARTS:
        for name, module in getattr(model, part).named_modules():
            if isinstance(module, nn.Linear) and not (part == "unet" and FROZEN.search(f"{name}.")):
                yield f"{part}.{name}", module
