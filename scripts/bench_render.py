"""Measure rendering: ``python scripts/bench_render.py [STAGE ...]``; the figures are in docs/measurements.md.

Best of several repeats, wall and CPU time: on a shared machine the CPU time is the one to compare. One thread.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from engine.errors import EngineError
from engine.files.images import write_png
from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.framing import frame_views
from engine.rendering.mesh.surface import Surface, build_surface
from engine.rendering.pyrender_renderer import PyrenderRenderer
from engine.rendering.renderers import TorchRenderer
from engine.rendering.threads import limited_threads
from engine.rendering.torch_renderer.renderer import render
from engine.rendering.views import orbit_views, render_view
from engine.settings.choices import VIEWS
from usd_io.model import Shot
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import read_shot

DEFAULT = Path(__file__).parents[1] / "tests" / "data" / "fox" / "fox.usdc"
REPEATS = 5
CONTEXT_FRAMES = 61


def best(work: Callable[[], object]) -> tuple[float, float]:
    """Least wall and least CPU time [ms]."""
    wall, cpu = [], []
    for _ in range(REPEATS):
        started, started_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - started_cpu)
    return 1e3 * min(wall), 1e3 * min(cpu)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(stage: Path) -> None:
    shot = read_shot(stage)
    actors = Actors(shot.characters, shot.motions)
    surface = build_surface(shot.characters, read_texture_bytes)
    vertices = actors.vertices(np.arange(32) % actors.frame_count)
    say(f"\n{stage.name}: {vertices.shape[1]} vertices, {len(surface.faces)} triangles")

    def cameras(height: int, width: int) -> Cameras:
        return frame_views(actors.clouds(), [60.0], up_axis=shot.info.up_axis, height=height, width=width)

    for height, width, batch in ((320, 512, 1), (320, 512, 8), (320, 512, 32), (160, 256, 8), (640, 1024, 2)):
        camera = cameras(height, width)
        for antialiased in (False, True):
            moved = vertices[:batch].clone().requires_grad_()

            def draw(
                antialiased: bool = antialiased, camera: Cameras = camera, moved: torch.Tensor = moved
            ) -> torch.Tensor:
                return render(moved, camera, surface, antialiased=antialiased).rgb

            def forward(draw: Callable[[], torch.Tensor] = draw) -> None:
                with torch.no_grad():
                    draw()

            def backward(draw: Callable[[], torch.Tensor] = draw) -> None:
                draw().square().mean().backward()  # type: ignore[no-untyped-call]

            f, b = best(forward), best(backward)
            say(
                f"  torch {height}x{width} batch {batch:2d} {'with' if antialiased else 'no  '} outlines: forward "
                f"{f[0] / batch:6.1f} ms/image ({f[1] / batch:.1f} CPU), with backward "
                f"{b[0]:7.1f} ms/batch ({b[1]:.1f} CPU)"
            )
    measure_pyrender(surface, vertices[:4], cameras(320, 512))
    measure_context(shot)
    say(f"  peak memory so far {peak_mb():.0f} MB")


def measure_pyrender(surface: Surface, vertices: torch.Tensor, camera: Cameras) -> None:
    try:
        renderer = PyrenderRenderer(surface)
    except EngineError as error:
        say(f"  {error}")
        return
    renderer.render(vertices, camera)
    wall, cpu = best(lambda: renderer.render(vertices, camera))
    say(f"  pyrender 320x512, colour, depth and segments: {wall / 4:6.1f} ms/image ({cpu / 4:.1f} CPU)")


def measure_context(shot: Shot) -> None:
    """Four views of 61 frames at 320 x 512 with ground, outlines blended, written as PNG."""
    frames = np.arange(CONTEXT_FRAMES) % len(shot.motions[0].times)
    actors = Actors(shot.characters, [m.at(frames) for m in shot.motions])
    started, started_cpu = time.perf_counter(), time.process_time()
    surface = build_surface(shot.characters, read_texture_bytes)
    renderer = TorchRenderer(surface)
    views = orbit_views(actors, VIEWS, height=320, width=512)
    drawn = 0
    with tempfile.TemporaryDirectory() as folder:
        for view in views:
            for picture in render_view(renderer, actors, view):
                write_png(Path(folder) / f"{drawn}.png", picture)
                drawn += 1
    say(
        f"  context: {drawn} images with framing, ground and PNG files in {time.perf_counter() - started:.1f} s "
        f"({time.process_time() - started_cpu:.1f} CPU)"
    )


if __name__ == "__main__":
    say(f"before: {peak_mb():.0f} MB")
    with limited_threads(1):
        for name in sys.argv[1:] or [str(DEFAULT)]:
            measure(Path(name))
