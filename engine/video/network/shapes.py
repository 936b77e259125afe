"""Sizes of the networks of DynamiCrafter, and the shapes that tests and the tour of the method use instead.

The names of upstream's configuration (``configs/inference_512_v1.0.yaml`` of Doubiiu/DynamiCrafter, interpolation
variant) are kept in :func:`unet_shape` and :func:`resampler_shape` only; all else speaks of the fields below.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

TEXT_TOKENS = 77
"""Length of CLIP's text context; the tokens after these in a UNet context are the image's."""
IMAGE_TOKENS_PER_FRAME = 16
"""Image tokens that each frame of a window attends to (``num_queries`` of the Resampler)."""
WINDOW = 16
"""Frames of a window (``temporal_length``, ``video_length``)."""


@dataclass(frozen=True)
class UNetShape:
    """The denoising network; defaults are the released DynamiCrafter_512_interp."""

    in_channels: int = 8
    """Latent channels of the sample and, after them, of the concatenated condition."""
    out_channels: int = 4
    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    """Width of each resolution, from full to coarsest."""
    attention: tuple[bool, ...] = (True, True, True, False)
    """Which resolutions have spatial and temporal attention."""
    layers: int = 2
    head_channels: int = 64
    context_channels: int = 1024
    dropout: float = 0.1
    """Of residual blocks, in training only."""
    norm_groups: int = 32
    """Groups of channels that are normed together."""
    blend: bool = False
    """Whether the condition holds all known frames of a window and the network answers with what differs from a
    linear blend of them (:class:`engine.video.network.blend.BlendUNet`), or only the end frames, as in
    DynamiCrafter."""


@dataclass(frozen=True)
class ResamplerShape:
    """The image projector: queries that read CLIP image tokens."""

    in_channels: int = 1280
    channels: int = 1024
    out_channels: int = 1024
    depth: int = 4
    head_channels: int = 64
    heads: int = 12
    queries: int = IMAGE_TOKENS_PER_FRAME * WINDOW


@dataclass(frozen=True)
class VaeShape:
    """The per-frame KL autoencoder, 8 times smaller latents with 4 channels."""

    channels: tuple[int, ...] = (128, 256, 512, 512)
    layers: int = 2
    patch: int = 0
    """Above 0: no network; the pixels of a patch of so many squared are the latents of a cell, without loss."""

    @property
    def stride(self) -> int:
        """Pixels of a latent cell, each way."""
        return self.patch or 2 ** (len(self.channels) - 1)

    @property
    def latent_channels(self) -> int:
        """Numbers in a latent cell."""
        return 3 * self.patch**2 or 4


@dataclass(frozen=True)
class ClipTextShape:
    """OpenCLIP's text tower without its last block (ViT-H: 24 - 1)."""

    channels: int = 1024
    layers: int = 23
    heads: int = 16
    vocabulary: int = 49408


@dataclass(frozen=True)
class ClipImageShape:
    """OpenCLIP's vision tower (ViT-H/14)."""

    channels: int = 1280
    layers: int = 32
    heads: int = 16
    patch: int = 14
    image: int = 224


@dataclass(frozen=True)
class ModelShape:
    """All five networks."""

    unet: UNetShape = field(default_factory=UNetShape)
    resampler: ResamplerShape = field(default_factory=ResamplerShape)
    vae: VaeShape = field(default_factory=VaeShape)
    text: ClipTextShape = field(default_factory=ClipTextShape)
    image: ClipImageShape = field(default_factory=ClipImageShape)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values for JSON; :func:`model_shape` reads them back."""
        return asdict(self)


TINY = ModelShape(
    UNetShape(channels=(32, 64), attention=(True, False), layers=1, head_channels=16, context_channels=32),
    ResamplerShape(in_channels=32, channels=32, out_channels=32, depth=1, head_channels=16, heads=2),
    VaeShape(channels=(32, 32, 32, 32), layers=1),
    ClipTextShape(channels=32, layers=1, heads=2),
    ClipImageShape(channels=32, layers=1, heads=2, patch=14, image=28),
)
"""A network of the same kind that a CPU runs in milliseconds; its random weights know nothing."""

TINY_TRAINED = ModelShape(
    UNetShape(
        in_channels=96,
        out_channels=48,
        channels=(32, 64, 96),
        attention=(False, False, True),
        layers=1,
        head_channels=8,
        context_channels=32,
        dropout=0.0,
        norm_groups=8,
        blend=True,
    ),
    ResamplerShape(in_channels=32, channels=32, out_channels=32, depth=1, head_channels=16, heads=2),
    VaeShape(patch=4),
    ClipTextShape(channels=32, layers=1, heads=2),
    ClipImageShape(channels=32, layers=1, heads=2, patch=14, image=28),
)
"""The embedded model, whose trained weights are shipped (docs/tiny.md)."""


def model_shape(values: Mapping[str, Mapping[str, Any]]) -> ModelShape:
    """Read :meth:`ModelShape.to_dict` back from JSON.

    Raises:
        TypeError: A field is unknown.
    """
    parts: dict[str, Any] = {}
    for part in fields(ModelShape):
        kind: Any = part.default_factory
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in values.get(part.name, {}).items()}
        parts[part.name] = kind(**known)
    return ModelShape(**parts)


def unet_shape(config: Mapping[str, Any]) -> UNetShape:
    """Shape of the UNet from upstream's ``unet_config.params``."""
    width = int(config["model_channels"])
    levels = range(len(config["channel_mult"]))
    return UNetShape(
        in_channels=config["in_channels"],
        out_channels=config["out_channels"],
        channels=tuple(width * m for m in config["channel_mult"]),
        attention=tuple(2**level in config["attention_resolutions"] for level in levels),
        layers=config["num_res_blocks"],
        head_channels=config["num_head_channels"],
        context_channels=config["context_dim"],
        dropout=config["dropout"],
    )


def resampler_shape(config: Mapping[str, Any]) -> ResamplerShape:
    """Shape of the Resampler from upstream's ``image_proj_stage_config.params``."""
    return ResamplerShape(
        in_channels=config["embedding_dim"],
        channels=config["dim"],
        out_channels=config["output_dim"],
        depth=config["depth"],
        head_channels=config["dim_head"],
        heads=config["heads"],
        queries=config["num_queries"] * config["video_length"],
    )


def vae_shape(config: Mapping[str, Any]) -> VaeShape:
    """Shape of the autoencoder from upstream's ``ddconfig``."""
    return VaeShape(tuple(config["ch"] * m for m in config["ch_mult"]), config["num_res_blocks"])


def clip_text_shape(config: Mapping[str, Any]) -> ClipTextShape:
    """Shape of the text tower from OpenCLIP's ``text_cfg``; its last block is dropped."""
    return ClipTextShape(config["width"], config["layers"] - 1, config["heads"], config["vocab_size"])


def clip_image_shape(config: Mapping[str, Any]) -> ClipImageShape:
    """Shape of the vision tower from OpenCLIP's ``vision_cfg``."""
    heads = config["width"] // config["head_width"]
    return ClipImageShape(
        config["width"], config["layers"], heads, config["patch_size"], config["image_size"]
    )
