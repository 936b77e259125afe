"""pyrender beside torch; skipped where OpenGL is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ExitCode, exit_code
from engine.rendering.actors import Actors
from engine.rendering.framing import frame_views
from engine.rendering.ground import ground_below
from engine.rendering.mesh.surface import build_surface
from engine.rendering.pyrender_renderer import PyrenderRenderer, RendererMissing
from engine.rendering.renderers import Renderer, TorchRenderer, choose_renderer
from engine.rendering.torch_renderer.renderer import Images, render
from engine.rendering.torch_renderer.shade import UNLIT
from engine.rendering.views import make_view
from tests.engine.rendering.shapes import camera_at, make_surface, sphere
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import read_shot

FILES = ("edge/fox_survey.usdz", "mocap/fair_jumping.usdc", "native/usdwg/RiggedSimple.usdz")


@pytest.fixture(scope="module")
def gl() -> None:
    points, faces = sphere(4)
    try:
        PyrenderRenderer(make_surface(points.float(), faces))
    except RendererMissing as missing:
        pytest.skip(str(missing))


def both(path: Path) -> tuple[Images, Images]:
    """The same frames by pyrender and by torch, without light."""
    shot = read_shot(path)
    actors = Actors(shot.characters, shot.motions)
    surface = build_surface(shot.characters, read_texture_bytes)
    cameras = frame_views(actors.clouds(), [30.0], up_axis=shot.info.up_axis, height=240, width=320)
    vertices = actors.vertices(np.array([0, actors.frame_count // 2]))
    pictures = PyrenderRenderer(surface, lighting=UNLIT).render(vertices, cameras)
    return pictures, render(vertices, cameras, surface, lighting=UNLIT)


@pytest.mark.usefixtures("gl")
@pytest.mark.parametrize("name", FILES)
def test_flat_pictures_agree_with_torch(data: Path, name: str) -> None:
    theirs, ours = both(data / name)
    covered = ours.mesh >= 0
    outline = covered & (torch.nn.functional.max_pool2d((~covered).float(), 3, 1, 1) > 0)
    assert ((theirs.mesh >= 0) != covered).sum() <= 0.005 * outline.sum() + 2
    # within one surface: pyrender also mixes colours where two meshes or texels of other charts meet in a pixel
    smooth = -torch.nn.functional.max_pool2d(-ours.rgb.permute(0, 3, 1, 2), 3, 1, 1)
    rough = torch.nn.functional.max_pool2d(ours.rgb.permute(0, 3, 1, 2), 3, 1, 1) - smooth
    inner = covered & (theirs.mask > 0.999) & (rough.amax(1) < 0.02)
    assert inner.sum() > 0.5 * covered.sum()
    difference = (theirs.rgb - ours.rgb).abs().amax(-1)[inner]
    assert (difference <= 2 / 255).float().mean() > 0.999  # the rest: slivers thinner than a pixel
    same = covered & (theirs.mesh == ours.mesh)
    assert ((theirs.depth - ours.depth).abs() / ours.depth)[same].quantile(0.99) < 1e-3
    assert (theirs.mesh != ours.mesh).float().mean() < 1e-3


@pytest.mark.usefixtures("gl")
def test_the_ground_lies_behind_and_hides() -> None:
    points, faces = sphere(16)
    vertices = points.float()[None]
    surface = make_surface(points.float(), faces)
    cameras = camera_at(5.0)
    floor = ground_below(np.array([-1.0, 0, -1]), np.array([1.0, 1, 1]), "Y")
    ground = make_view("view", cameras, floor).backdrop
    renderers: list[Renderer] = [
        PyrenderRenderer(surface, lighting=UNLIT),
        TorchRenderer(surface, lighting=UNLIT),
    ]
    theirs, ours = (r.render(vertices, cameras, ground) for r in renderers)
    assert ((theirs.mesh >= 0) != (ours.mesh >= 0)).sum() <= 6
    outside = (theirs.mask == 0) & (ours.mask == 0)
    torch.testing.assert_close(theirs.rgb[outside], ours.rgb[outside], atol=1e-5, rtol=0)
    lower_half = ours.mesh[0, 30:] >= 0
    assert lower_half.sum() < 0.3 * (ours.mesh[0] >= 0).sum()


def test_auto_draws_everywhere() -> None:
    points, faces = sphere(4)
    renderer, _ = choose_renderer("auto", make_surface(points.float(), faces), "textured")
    assert renderer.name in ("torch", "pyrender")


def test_missing_opengl_is_said_in_one_sentence() -> None:
    """In a process of its own, since the platform is chosen once."""
    code = """
from engine.rendering.pyrender_renderer import PyrenderRenderer, RendererMissing
from tests.engine.rendering.shapes import make_surface, sphere
points, faces = sphere(4)
try:
    PyrenderRenderer(make_surface(points.float(), faces))
except RendererMissing as missing:
    print(missing)
"""
    environment = os.environ | {"PYOPENGL_PLATFORM": "egl", "EGL_DEVICE_ID": "99"}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=root, check=True
    )
    assert "pyrender finds no OpenGL through egl" in done.stdout
    assert "the renderer torch" in done.stdout
    assert len(done.stdout.strip().split("\n")) == 1
    assert exit_code(RendererMissing("x")) == ExitCode.RETRYABLE
