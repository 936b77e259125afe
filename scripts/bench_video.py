"""Measure the video model without its weights: speed on this machine, memory of the full model computed.

    python scripts/bench_video.py speed [--threads 1]
    python scripts/bench_video.py memory [--mode lora-low ...]

Speed compares our UNet with diffusers' plain UNet3DConditionModel of the same width, in turns in the same run, and the
step of ICAdapt with the forward pass. Memory runs the real forward and backward pass and the real optimiser on tensors
without content (no memory is used) and follows what is alive; kernels' scratch space, the allocator's waste (5 to 15 %
by experience) and the CUDA context (0.5 GB) come on top.
"""

import argparse
import gc
import statistics
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet3DConditionModel
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.video.adaptation.settings import AdaptSettings
from engine.video.adaptation.trainable_state import DTYPES, Trained
from engine.video.network.model import FRAMES_AT_ONCE, VideoModel
from engine.video.network.networks import (
    build_image_encoder,
    build_resampler,
    build_text_encoder,
    build_vae,
    count_parameters,
)
from engine.video.network.shapes import (
    ClipImageShape,
    ClipTextShape,
    ModelShape,
    ResamplerShape,
    UNetShape,
    VaeShape,
)
from engine.video.network.unet import DynamiCrafterUNet

PARITY = UNetShape(channels=(32, 64, 128, 128), head_channels=16, context_channels=48)
MIDDLE = UNetShape(channels=(64, 128, 256, 256), head_channels=32, context_channels=128)
"""Configurations: that of the records, and one of twice the width (the full model has ten times)."""
TOKENS = 77 + 16
"""Tokens that a frame attends to in our UNet; the plain one is given as many."""
HEIGHT, WIDTH = 40, 64
"""Latents of 320 x 512 pixels."""
MODES = {
    "full-high": AdaptSettings(memory="high", precision="bf16"),
    "full-auto": AdaptSettings(memory="auto", precision="bf16"),
    "full-low": AdaptSettings(memory="low", precision="bf16"),
    "lora-high": AdaptSettings("lora", memory="high", precision="bf16"),
    "lora-auto": AdaptSettings("lora", memory="auto", precision="bf16"),
    "lora-low": AdaptSettings("lora", memory="low", precision="bf16"),
}
CARDS_GB = (8, 12, 16, 24, 48)


class Alive(TorchDispatchMode):
    """Bytes of all storages that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if self.known.get(storage._cdata) is not storage:
            self.known[storage._cdata] = storage
            size = storage.nbytes()
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self.free, size)

    def free(self, size: int) -> None:
        self.now -= size


def inputs(shape: UNetShape, height: int, width: int, batch: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Arguments of the UNet."""
    sample = torch.randn(batch, 8, 16, height, width, dtype=dtype)
    context = torch.randn(batch, 77 + 256, shape.context_channels, dtype=dtype)
    return sample, torch.full((batch,), 500), context, torch.full((batch,), 15.0)


def fake_model() -> VideoModel:
    """UNet and Resampler of the full size; the encoders have left the device by then, or never were on it."""
    unet, resampler = DynamiCrafterUNet(UNetShape()), build_resampler(ResamplerShape())
    for network in (unet, resampler):
        network.eval().requires_grad_(False)
    nothing: Any = None
    return VideoModel(ModelShape(), unet, resampler, nothing, nothing, nothing)


def adapt_memory(settings: AdaptSettings) -> tuple[float, float]:
    """Bytes that stay (weights, gradients, optimiser) and the most at any time of one step of ICAdapt."""
    with FakeTensorMode(), Alive() as alive:
        trained = Trained(model := fake_model(), settings)
        for _ in range(2):  # the optimiser's state exists from the second step on
            dtype = DTYPES[settings.precision]
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                arguments = inputs(model.shape.unet, HEIGHT, WIDTH, settings.micro_batch, torch.float32)
                image = model.resampler(torch.randn(settings.micro_batch, 257, 1280))
                context = torch.cat([arguments[2][:, :77], image], 1)
                out = model.unet(arguments[0], arguments[1], context, arguments[3])
            out.float().square().mean().backward()
            del out, image, context, arguments
            gc.collect()
            stays = alive.now
            trained.update()
    return stays, alive.most


def generate_memory(memory: str) -> tuple[float, float]:
    """Bytes that stay and the most at any time of encoding images, one denoising step and decoding.

    ``low`` keeps only UNet and Resampler on the device, ``auto`` all five networks in half precision but for the
    autoencoder, ``high`` all in single.
    """
    dtype = torch.float32 if memory == "high" else torch.float16
    with FakeTensorMode(), Alive() as alive, torch.no_grad():
        parts: dict[str, Any] = {}
        with alive_dtype(dtype):
            model = fake_model()
            if memory != "low":
                parts = {
                    "text": build_text_encoder(ClipTextShape()),
                    "image": build_image_encoder(ClipImageShape()),
                }
        if memory != "low":
            vae = build_vae(VaeShape()).eval()
        gc.collect()
        stays = alive.now
        with alive_dtype(dtype):
            model.unet(*inputs(model.shape.unet, HEIGHT, WIDTH, 1, dtype))
            if parts:
                parts["image"](pixel_values=torch.randn(FRAMES_AT_ONCE, 3, 224, 224))
        if memory != "low":
            vae.encode(torch.randn(FRAMES_AT_ONCE, 3, 8 * HEIGHT, 8 * WIDTH))
            vae.decode(torch.randn(FRAMES_AT_ONCE, 4, HEIGHT, WIDTH))
    return stays, alive.most


@contextmanager
def alive_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors have this type."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def report_memory(modes: list[str]) -> None:
    counts = count_parameters(ModelShape())
    for part, count in counts.items():
        say(f"{part:10} {count:13,} parameters  {count * 4e-9:6.2f} GB fp32  {count * 2e-9:6.2f} GB half")
    say(f"{'mode':16} {'stays':>7} {'peak':>7}  fits [GB]")
    for mode in modes:
        if mode.startswith("generate-"):
            stays, most = generate_memory(mode.removeprefix("generate-"))
        else:
            stays, most = adapt_memory(MODES[mode])
        fits = [card for card in CARDS_GB if card >= most * 1.1e-9 + 0.5]
        say(f"{mode:16} {stays * 1e-9:7.2f} {most * 1e-9:7.2f}  {', '.join(map(str, fits)) or 'none'}")


def seconds(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median time of each, taken in turns so that other work on the machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def report_speed(repeats: int) -> None:
    for name, shape, size in (("parity", PARITY, 8), ("middle", MIDDLE, 16)):
        torch.manual_seed(0)
        unet = DynamiCrafterUNet(shape).eval()
        kinds = ["CrossAttn{}Block3D" if a else "{}Block3D" for a in shape.attention]
        plain = UNet3DConditionModel(
            in_channels=8,
            down_block_types=tuple(k.format("Down") for k in kinds),
            up_block_types=tuple(k.format("Up") for k in reversed(kinds)),
            block_out_channels=shape.channels,
            cross_attention_dim=shape.context_channels,
            attention_head_dim=shape.head_channels,
        ).eval()
        given = inputs(shape, size, size, 1, torch.float32)

        def step(recompute: bool, unet: DynamiCrafterUNet = unet, given: tuple[Tensor, ...] = given) -> None:
            unet.recompute = recompute
            unet(*given).square().mean().backward()
            unet.zero_grad()

        with torch.no_grad():
            forward = seconds(
                {
                    "ours": lambda u=unet, g=given: u(*g),
                    "diffusers": lambda p=plain, g=given: p(*g[:2], g[2][:, :TOKENS]),
                },
                repeats,
            )
        backward = seconds(
            {"step": lambda: step(False), "recompute": lambda: step(True)}, max(repeats // 2, 1)
        )
        millions = sum(p.numel() for p in unet.parameters()) * 1e-6
        say(f"{name}: {millions:.1f} M parameters, 16 frames of {size} x {size} latents, batch 1")
        ratio = forward["ours"] / forward["diffusers"]
        say(f"  forward           {forward['ours']:.3f} s = {ratio:.2f} x diffusers' UNet3D")
        for kind, label in (("step", "forward+backward"), ("recompute", "with recomputing")):
            say(f"  {label:17} {backward[kind]:.3f} s = {backward[kind] / forward['ours']:.2f} x our forward")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--mode", nargs="*", default=["generate-low", "generate-auto", "generate-high", *MODES]
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.what == "speed":
        report_speed(options.repeats)
    else:
        report_memory(options.mode)


if __name__ == "__main__":
    main()
