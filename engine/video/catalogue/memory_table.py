"""What the diffusers models need of a GPU, computed from their sizes: by precision, and by what stays on the processor.

Weights are counted to the byte. Activations are those of one block at its largest, the hints that the VACE blocks keep,
and the autoencoder's last layers; the allocator's waste and the CUDA context come on top as elsewhere in this project
(1.1 times and 0.5 GB, docs/measurements.md). Nothing of it has been measured: ``scripts/bench_gpu.py`` does.
"""

import ctypes
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from engine.settings.choices import CONTROLLED, PrecisionName

OWN_SIZE = 320, 512
"""Height and width of the pictures that all of them make where none are named [pixels]."""
WASTE, CONTEXT_GB = 1.1, 0.5
"""Of the allocator, as a factor, and of CUDA."""
BYTES: Mapping[PrecisionName, float] = {"single": 4.0, "half": 2.0, "int8": 1.0, "fp8": 1.0}
"""Of a weight of the denoising network; scales of quantised rows are a thousandth more."""
GGUF_BITS: Mapping[str, float] = {"Q8_0": 8 * 34 / 32, "Q6_K": 8 * 210 / 256, "Q4_K": 8 * 144 / 256}
"""Of a weight, in files of one of these formats: bytes of a block over its weights. Files of mixed formats (Q4_K_M)
lie between them."""
_DECODED = 5000
"""Numbers that the autoencoder's last layers keep for each pixel of a frame: 96 channels of 4 frames in and out of
convolutions, and two frames that each convolution remembers."""


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of a released model, from its configuration."""

    denoiser: float
    """Parameters of a denoising network."""
    networks: int
    """How many there are."""
    blocks: int
    """Of one, those that condition it included."""
    width: int
    """Of a token."""
    inner: int
    """Of a token inside the feed-forward layers."""
    hints: int
    """Tensors of tokens that the conditioning branch keeps for a step."""
    text: float
    """Parameters of the text encoder."""
    autoencoder: float
    """Its parameters."""
    group: int
    """Frames of a latent."""
    cell: int
    """Pixels of a token, each way."""
    frames: int
    """Of the longest call."""
    beside: float = 0.0
    """Parameters of further parts that work on the device."""


SIZES: Mapping[str, NetworkSize] = {
    "wan-vace": NetworkSize(2.154e9, 1, 45, 1536, 8960, 15, 5.68e9, 0.127e9, 4, 16, 81),
    "wan-vace-14b": NetworkSize(17.34e9, 1, 48, 5120, 13824, 8, 5.68e9, 0.127e9, 4, 16, 81),
    "wan22-vace-fun": NetworkSize(17.34e9, 2, 48, 5120, 13824, 8, 5.68e9, 0.127e9, 4, 16, 81),
    "ltx": NetworkSize(1.923e9, 1, 28, 2048, 8192, 0, 4.76e9, 0.3e9, 8, 32, 161),
    "ltx2": NetworkSize(18.876e9, 1, 48, 4096, 16384, 0, 12.2e9, 1.222e9, 8, 32, 121, 1.540e9),
}


@dataclass(frozen=True)
class MemoryNeed:
    """What one way to run a model takes [1e9 bytes]."""

    model: str
    weights: str
    """How the weights are kept: a precision, or a format of GGUF files; with "lowest" where blocks wait."""
    text_encoder: bool
    """Whether the text encoder is on the device (memory high)."""
    weights_gb: float
    peak_gb: float

    @property
    def card_gb(self) -> float:
        """Least memory of a card."""
        return WASTE * self.peak_gb + CONTEXT_GB


def memory_need(
    model: str,
    precision: PrecisionName,
    height: int,
    width: int,
    *,
    text_encoder: bool = False,
    packed_bits: float = 0.0,
    packing: str = "GGUF",
    waiting: bool = False,
) -> MemoryNeed:
    """Memory to generate pictures of a size, for the longest call that the model was trained on.

    Args:
        model: One of :data:`SIZES`.
        precision: Of its weights; not ``auto``.
        height: Of the pictures [pixels].
        width: Of the pictures [pixels].
        text_encoder: Whether it is on the device too.
        packed_bits: All denoising networks in GGUF files [bits]; 0: they are not.
        packing: The format of those files, for the name.
        waiting: Whether blocks wait in main memory for their turn (memory lowest): then one block is on the device.
    """
    size = SIZES[model]
    rest = 4.0 if precision == "single" else 2.0
    # the autoencoder of Wan is kept in single precision
    network = packed_bits / 8 if packed_bits else size.denoiser * size.networks * BYTES[precision]
    if waiting:
        network /= size.blocks * size.networks
    weights = network + size.autoencoder * 4 + size.beside * rest
    weights += size.text * rest if text_encoder else 0
    latents = (size.frames - 1) // size.group + 1
    tokens = latents * (height / size.cell) * (width / size.cell)
    # of a block: its input and what is added to it, in single precision where it is normalised; queries, keys, values
    # and their result, or the feed-forward layer's inside twice, whichever is larger; and the hints
    block = tokens * (2 * size.width * 4 + max(4 * size.width, 2 * size.inner) * rest)
    unpacked = (
        size.width * size.inner * rest if packed_bits else 0.0
    )  # the largest matrix, while its layer works
    step = unpacked + block + tokens * size.hints * size.width * rest
    decoding = height * width * _DECODED * 4
    kept = (packing if packed_bits else precision) + (", lowest" if waiting else "")
    return MemoryNeed(model, kept, text_encoder, weights / 1e9, (weights + max(step, decoding)) / 1e9)


def memory_table(height: int, width: int) -> tuple[MemoryNeed, ...]:
    """All models with their weights kept in all ways, the text encoder on the processor, for pictures of one size."""
    needs = []
    for model, size in SIZES.items():
        needs += [memory_need(model, precision, height, width) for precision in BYTES]
        if model in CONTROLLED:
            for packing, bits in GGUF_BITS.items():
                total = bits * size.denoiser * size.networks
                needs.append(memory_need(model, "half", height, width, packed_bits=total, packing=packing))
        needs.append(memory_need(model, "half", height, width, waiting=True))
    return tuple(needs)


def least_gb(model: str) -> float:
    """Least memory of a card for a model in half precision at its own size, in whole units [1e9 bytes]."""
    return float(math.ceil(memory_need(model, "half", *OWN_SIZE).card_gb))


def gpu_gb() -> float:
    """Memory of the first GPU [1e9 bytes]; 0 where there is none, which is said without torch on most machines."""
    if sys.platform == "linux" and not os.path.exists("/dev/kfd"):  # noqa: PTH110  # the GPUs of AMD
        try:
            ctypes.CDLL("libcuda.so.1")
        except OSError:
            return 0.0
    import torch

    return (
        float(torch.cuda.get_device_properties(0).total_memory) * 1e-9 if torch.cuda.is_available() else 0.0
    )
