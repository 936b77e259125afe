"""Measure DynamiCrafter's networks at full size with random weights: ``scripts/bench_gpu.sh`` runs this.

Nothing is downloaded. It measures a step of ICAdapt, a gap of one second with 50 and with 4 steps, the most memory of
each beside the computed figure (docs/measurements.md), whether half precision stays finite, and whether the renderer
draws the same on the device as on the processor. It ends in a table for docs/measurements.md. ``--small`` does the
same with networks of a few thousand weights, on any processor.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from bench_gpu import CONTEXT, RATE, VIEWS, draw, say
from torch import nn

from engine.events import Event, StageProgress
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import orbit_views
from engine.settings.choices import AdaptMode, Memory
from engine.video.network.shapes import TINY, ModelShape
from engine.video.options import AdaptOptions, GenerateOptions

if TYPE_CHECKING:  # diffusers, behind it, takes seconds: what cannot be measured is refused before
    from engine.video.backends.dynamicrafter import Native

FOX = Path(__file__).resolve().parents[1] / "tests" / "data" / "fox" / "fox.usdc"
ADAPT_STEPS = 6
SKIPPED = 2
"""First steps, which start kernels and make the optimiser's state."""
PARTS: tuple[tuple[str, AdaptMode, Memory, float], ...] = (
    ("adapt full, memory auto", "full", "auto", 31.66),
    ("adapt lora, memory low", "lora", "low", 6.30),
)
GENERATE_GB = 7.27
"""Computed peaks [GB], docs/measurements.md."""
TOLERANCE = 2 / 255
"""Pictures of two devices may differ so much in one colour, but for pixels on outlines."""
OUTLINES = 0.002
"""Part of the pixels that may differ by more."""


@dataclass(frozen=True)
class Measured:
    """A row of the table."""

    what: str
    seconds: float
    peak_gb: float | None
    computed_gb: float | None
    good: bool

    def row(self) -> str:
        peak, computed = ("-" if v is None else f"{v:.2f}" for v in (self.peak_gb, self.computed_gb))
        return f"| {self.what} | {self.seconds:.3f} | {peak} | {computed} | {'yes' if self.good else 'NO'} |"


class Bench:
    """The networks on one device."""

    def __init__(self, device: torch.device, small: bool) -> None:
        from engine.video.backends.dynamicrafter import HEIGHT, WIDTH

        self.device, self.small = device, small
        self.shape = TINY if small else ModelShape()
        self.height, self.width = (32, 48) if small else (HEIGHT, WIDTH)
        self.gpu = device.type == "cuda"

    def model(self, memory: Memory) -> "Native":
        """With new random weights, which are made where they are used: a processor takes minutes for them."""
        from engine.video.backends.dynamicrafter import Native
        from engine.video.network.model import build_model

        def load() -> object:
            torch.manual_seed(0)
            with self.device:
                return build_model(self.shape)

        source = {"name": "random", "small": self.small}
        return Native("dynamicrafter", self.height, self.width, source, load, self.device, memory)  # type: ignore[arg-type]

    def started(self) -> float:
        if self.gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        return time.perf_counter()

    def peak(self) -> float | None:
        return torch.cuda.max_memory_allocated() * 1e-9 if self.gpu else None

    def adapt(self, what: str, mode: AdaptMode, memory: Memory, computed: float) -> Measured:
        """A step of ICAdapt: the median over those after the first."""
        at: list[float] = []

        def note(event: Event) -> None:
            if isinstance(event, StageProgress) and "loss" in event.values:
                losses.append(event.values["loss"])
                at.append(time.perf_counter())

        losses: list[float] = []
        times = torch.arange(CONTEXT, dtype=torch.float64) / RATE
        views = {name: draw(self.height, self.width, times, 0.3 * i) for i, name in enumerate(VIEWS)}
        self.started()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "adapter.safetensors"
            options = AdaptOptions(mode, SKIPPED + 2 if self.small else ADAPT_STEPS)
            self.model(memory).adapt(views, "", options, out=out, progress=Progress(note))
        steps = np.diff(at)[SKIPPED:].tolist() or [float("nan")]
        good = bool(losses) and bool(np.isfinite(losses).all())
        return Measured(f"{what}: a step", statistics.median(steps), self.peak(), self._told(computed), good)

    def generate(self, model: "Native", steps: int) -> Measured:
        """A gap of one second after two seconds of context."""
        times = torch.arange(CONTEXT, dtype=torch.float64) / RATE
        known = torch.cat([times, times[-1:] + 1])
        true = draw(self.height, self.width, known, 0.0)
        gap = [(known[-2].item(), known[-1].item())]
        began = self.started()
        video = model.generate(true, gap, "", GenerateOptions(steps=steps), progress=Progress())
        seconds = time.perf_counter() - began
        good = bool(video.frames.isfinite().all())
        return Measured(
            f"generate a gap of 1 s, {steps} steps", seconds, self.peak(), self._told(GENERATE_GB), good
        )

    def half(self, dtype: torch.dtype) -> Measured:
        """One pass of the UNet, its weights in half precision."""
        from engine.video.network.model import build_model

        with self.device:
            torch.manual_seed(0)
            unet = nn.Module.to(build_model(self.shape).unet, dtype).eval()
            noise = torch.randn(1, 8, 16, self.height // 8, self.width // 8, dtype=dtype)
            tokens = torch.randn(1, 77 + 256, self.shape.unet.context_channels, dtype=dtype)
            began = self.started()
            with torch.no_grad():
                out = unet(noise, torch.tensor([500]), tokens, torch.tensor([15.0]))
        good = bool(out.isfinite().all())
        return Measured(
            f"UNet once, weights in {str(dtype).removeprefix('torch.')}",
            time.perf_counter() - began,
            self.peak(),
            None,
            good,
        )

    def renderer(self) -> list[Measured]:
        """Pictures of a fox on the processor and on the device, and whether they are the same."""
        from engine.config import RunConfig
        from engine.geometry.resample import resample
        from engine.run import plan
        from usd_io.read.character import find_skinned, read_bound_character
        from usd_io.read.material import read_texture_bytes
        from usd_io.read.stage import open_stage

        planned = plan(RunConfig(str(FOX), context=((0, 40),), keys=(50, 60)))
        opened = open_stage(str(FOX))
        path = planned.plans[0].skeleton_path
        character = read_bound_character(opened, path, find_skinned(opened))
        motion = resample(planned.shot.motions[0], np.arange(0.0, 4.0 if self.small else 32.0))
        size = (self.height * 2, self.width * 2) if self.small else (self.height, self.width)
        surface = build_surface([character], read_texture_bytes)
        pictures, rows = [], []
        for where in dict.fromkeys([torch.device("cpu"), self.device]):
            actors = Actors([character], [motion], torch.zeros((), device=where))
            (view,) = orbit_views(actors, {"front": 0.0}, height=size[0], width=size[1], ground=False)
            renderer = TorchRenderer(surface)
            renderer.render(actors.vertices(slice(0, 1)), view.cameras)
            began = self.started()
            rgb = renderer.render(actors.vertices(slice(None)), view.cameras).rgb.cpu()
            pictures.append(rgb)
            far = ((rgb - pictures[0]).abs().amax(-1) > TOLERANCE).float().mean().item()
            seconds = (time.perf_counter() - began) / actors.frame_count
            rows.append(Measured(f"draw a picture on {where.type}", seconds, None, None, far <= OUTLINES))
        return rows

    def _told(self, computed: float) -> float | None:
        return None if self.small else computed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="tiny networks, to try the script")
    parser.add_argument("--device", default="", help="cuda, or cpu with --small")
    chosen = parser.parse_args()
    device = torch.device(chosen.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type != "cuda" and not chosen.small:
        parser.error("networks of full size take hours on a processor; use a GPU, or --small.")
    bench = Bench(device, chosen.small)
    rows: list[Measured] = []

    def keep(*measured: Measured) -> None:
        rows.extend(measured)
        for each in measured:
            say(each.row())  # at once: a later part may fail, and time may be short

    keep(*bench.renderer())
    keep(*(bench.half(dtype) for dtype in (torch.bfloat16, torch.float16)))
    model = bench.model("auto")
    keep(*(bench.generate(model, steps) for steps in ((1, 2) if chosen.small else (4, 50))))
    del model
    for part in PARTS:
        keep(bench.adapt(*part))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    say(f"\nRandom weights{', tiny networks' if chosen.small else ''}, torch {torch.__version__}, {name}:\n")
    say(
        "| what | seconds | peak [GB] | computed [GB] | finite, or the same |\n| --- | --- | --- | --- | --- |"
    )
    say("\n".join(row.row() for row in rows))
    if not all(row.good for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
