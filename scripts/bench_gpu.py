"""Measure a video model on this machine's GPU: seconds and peak memory of adapting and generating.

    python scripts/bench_gpu.py --model dynamicrafter [--memory auto] [--adapt-steps 20] [--steps 50] [--device auto]

Needs the model's weights (``anymole models pull NAME``). A bright bar swings over grey, drawn here, so that no stage is
needed: 2 s of context from four views, one key a second later. Times have the loading of weights and the encoding of
the context in them: give ``--adapt-steps`` two values to know what a step costs. We have not run it on a GPU: none was
at hand.
``--model tiny --device cpu`` runs anywhere.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from engine.events import Event, StageProgress
from engine.files.video import Video
from engine.progress import Progress
from engine.video.backends import Backend, backend
from engine.video.options import AdaptOptions, GenerateOptions

RATE, CONTEXT = 30, 61
"""Frames a second of the context, and its frames."""
VIEWS = ("front", "left", "right", "back")


def draw(height: int, width: int, times: Tensor, phase: float) -> Video:
    """A bar that swings once a second."""
    x = torch.linspace(-1, 1, width)
    centre = 0.6 * torch.sin(2 * torch.pi * times + phase)[:, None]
    bar = torch.exp(-(((x - centre) / 0.1) ** 2))
    frames = (0.4 + 0.5 * bar)[:, None, None, :].expand(-1, 3, height, -1).contiguous()
    return Video(tuple(times.tolist()), frames)


@contextmanager
def measured(name: str, gpu: bool, count: Callable[[], int]) -> Iterator[None]:
    """Print seconds, seconds a step and the most memory of the GPU."""
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    yield
    if gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = f"{torch.cuda.max_memory_allocated() * 1e-9:6.2f} GB" if gpu else "no GPU"
    steps = max(count(), 1)
    say(f"{name:10} {seconds:8.1f} s  {steps:5} steps  {seconds / steps:7.3f} s a step  peak {peak}")


def run(model: Backend, adapt_steps: int, options: GenerateOptions, gpu: bool) -> None:
    steps: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, StageProgress):
            steps.append(event.done)

    times = torch.arange(CONTEXT, dtype=torch.float64) / RATE
    views = {name: draw(model.height, model.width, times, 0.3 * i) for i, name in enumerate(VIEWS)}
    known = torch.cat([times, times[-1:] + 1])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "adapter.safetensors"
        with measured("adapt", gpu, lambda: adapt_steps):
            adapter = model.adapt(
                views, "", AdaptOptions(steps=adapt_steps), out=out, progress=Progress(note)
            )
        steps.clear()
        with measured("generate", gpu, lambda: max(steps, default=0)):
            gap = [(known[-2].item(), known[-1].item())]
            true = draw(model.height, model.width, known, 0.0)
            video = model.generate(true, gap, "", options, adapter=adapter, progress=Progress(note))
    say(f"{len(video.times)} frames of {model.width} x {model.height} pixels")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="dynamicrafter")
    parser.add_argument("--memory", default="auto", choices=["auto", "low", "high"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--adapt-steps", type=int, default=20)
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0: the model's own")
    options = parser.parse_args()
    model = backend(options.model, memory=options.memory, device=options.device)
    gpu = torch.cuda.is_available() and options.device != "cpu" and options.model != "tiny"
    say(f"{options.model}, memory {options.memory}, {torch.cuda.get_device_name() if gpu else 'processor'}")
    run(model, options.adapt_steps, GenerateOptions(steps=options.steps), gpu)


if __name__ == "__main__":
    main()
