"""All files that can be drawn are drawn: not empty, fully in frame, right side up, and looking as they did.

The golden contact sheets are in ``tests/data/golden``; ``ANYMOLE_UPDATE_GOLDEN=1`` draws them again, to be looked at
before they are committed.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import EngineError
from engine.files.images import Picture, contact_sheet, to_picture, write_png
from engine.progress import Progress
from engine.render_command.config import RenderConfig
from engine.render_command.run import read_shot_to_draw
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.projection import project
from engine.rendering.torch_renderer.renderer import Images, render
from engine.rendering.views import View, orbit_views
from tests.conftest import ASSETS, DATA, usd_files
from usd_io.errors import UsdIoError
from usd_io.read.material import read_texture_bytes

GOLDEN = DATA / "golden"
SIDE_PX = 96
COLUMNS = 8
IN_TESTS = (
    "edge/fox_shot_layered.usda",
    "edge/fox_survey.usdz",
    "fox/fox.usdc",
    "mocap/fair_jumping.usdc",
    "native/openusd/lbs.usda",
    "native/openusd/skinnedArm.usda",
    "native/openusd/test_dqs.usda",
    "native/usdwg/RiggedSimple.usdz",
)
NOT_DRAWN = {"fox_walk_anim_only.usda", "populate.usda", "jointInfluences.usda"}
"""Files without a skeleton, or without any points."""


def draw(path: Path) -> tuple[Actors, View, Images]:
    """The middle frame of a file, three quarters from the front."""
    shot = read_shot_to_draw(RenderConfig(stage=str(path), out=""), Progress())
    middle = [m.at(slice(len(m.times) // 2, len(m.times) // 2 + 1)) for m in shot.motions]
    actors = Actors(shot.characters, middle)
    (view,) = orbit_views(actors, {"view": 40.0}, height=SIDE_PX, width=SIDE_PX)
    surface = build_surface(shot.characters, read_texture_bytes)
    vertices = actors.vertices(slice(0, 1))
    return actors, view, render(vertices, view.cameras, surface, backdrop=view.backdrop, antialiased=True)


def test_whole_upright_and_in_frame(stage_file: Path) -> None:
    try:
        actors, view, images = draw(stage_file)
    except (UsdIoError, EngineError):
        assert stage_file.name in NOT_DRAWN
        return
    covered = images.mesh[0] >= 0
    assert covered.sum() > 30
    for side in (covered[0], covered[-1], covered[:, 0], covered[:, -1]):
        assert not side.any()
    rows, columns = torch.nonzero(covered).T
    extent = max(int(rows.max() - rows.min()), int(columns.max() - columns.min()))
    assert extent > 0.75 * SIDE_PX
    up = "XYZ".index(actors.characters[0].up_axis)
    points = actors.vertices(slice(0, 1))
    spread = points[0].amax(0) - points[0].amin(0)
    if spread[up] > 0.3 * spread.max():
        pixels = project(view.cameras, points)[0]
        assert pixels[points[0, :, up].argmax(), 1] < pixels[points[0, :, up].argmin(), 1]


def groups() -> dict[str, Sequence[Path]]:
    """Files by golden sheet; those of the larger collection where it is there."""
    characters = [p for p in usd_files(ASSETS) if p.parent.parent == ASSETS and p.stem == p.parent.name]
    found = {
        "tests": [DATA / name for name in IN_TESTS],
        "characters": characters,
        "native": usd_files(ASSETS / "native"),
        "edge": usd_files(ASSETS / "edge"),
        "mocap": usd_files(ASSETS / "mocap"),
    }
    return {name: files for name, files in found.items() if files}


@pytest.mark.parametrize("group", groups())
def test_contact_sheet_looks_as_it_did(group: str) -> None:
    pictures: list[Picture] = []
    for path in groups()[group]:
        if path.name not in NOT_DRAWN:
            pictures.append(to_picture(draw(path)[2].rgb[0].numpy()))
    rows = [pictures[i : i + COLUMNS] for i in range(0, len(pictures), COLUMNS)]
    sheet = contact_sheet(rows)
    golden = GOLDEN / f"{group}.png"
    if os.environ.get("ANYMOLE_UPDATE_GOLDEN"):
        write_png(golden, sheet)
    with Image.open(golden) as opened:
        expected = np.asarray(opened.convert("RGB")).astype(int)
    assert sheet.shape == expected.shape
    difference = np.abs(sheet.astype(int) - expected).max(-1)
    assert (difference > 24).mean() < 2e-3, f"{golden} differs"
    assert difference.mean() < 0.5
