import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from engine.rendering.bones import with_bones
from engine.rendering.mesh import topology
from engine.rendering.mesh.looks import CLAY, GREY, encode_srgb, find_looks
from engine.rendering.mesh.surface import build_surface
from engine.rendering.mesh.topology import face_neighbours, triangulate
from engine.rendering.numpy_renderer import draw_pictures
from engine.rendering.renderers import TorchRenderer
from engine.rendering.torch_renderer.appearance import sample_texture
from engine.rendering.torch_renderer.renderer import render
from engine.rendering.torch_renderer.shade import UNLIT
from tests.engine.conftest import make_character
from tests.engine.rendering.shapes import camera_at, limb, no_texture
from usd_io.errors import StageNotFoundError
from usd_io.model import Changing, Character, Material, Mesh, Primvar
from usd_io.read.character import read_character
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import open_stage


def square(**looks: object) -> Character:
    """Two quads side by side, seen from +z."""
    mesh = Mesh(
        path="/Square",
        points=np.array([[x, y, 0] for y in (-1, 1) for x in (-1, 0, 1)], np.float32),
        face_counts=np.array([4, 4]),
        face_vertices=np.array([0, 1, 4, 3, 1, 2, 5, 4]),
        joint_indices=np.zeros((6, 1), int),
        joint_weights=np.ones((6, 1), np.float32),
        T_skel_mesh=np.eye(4),
        **looks,  # type: ignore[arg-type]
    )
    return replace(limb(), meshes=(mesh,))


def picture(character: Character, load: object = no_texture) -> Float[Tensor, "height width 3"]:
    surface = build_surface([character], load)  # type: ignore[arg-type]
    cameras = camera_at(4.2, azimuth=0, height=32, width=32)
    points = torch.from_numpy(character.meshes[0].points)[None]
    return render(points, cameras, surface, lighting=UNLIT).rgb[0]


LEFT, RIGHT = (slice(12, 20), slice(6, 13)), (slice(12, 20), slice(19, 26))


def test_constant_uniform_vertex_and_face_varying_colours() -> None:
    red, blue = [1.0, 0, 0], [0, 0, 1.0]
    one = picture(square(display_color=Primvar(np.array([red]), "constant")))
    assert one[LEFT].mean((0, 1)).tolist() == pytest.approx(red)
    two = picture(square(display_color=Primvar(np.array([red, blue]), "uniform")))
    assert two[LEFT].mean((0, 1)).tolist() == pytest.approx(red)
    assert two[RIGHT].mean((0, 1)).tolist() == pytest.approx(blue)
    corners = picture(square(display_color=Primvar(np.array([red] * 4 + [blue] * 4), "faceVarying")))
    torch.testing.assert_close(corners, two)
    vertex = picture(square(display_color=Primvar(np.array([red, red, blue] * 2), "vertex")))
    assert vertex[LEFT].mean((0, 1)).tolist() == pytest.approx(red)
    assert 0 < vertex[16, 22, 0] < 1


def test_colours_are_encoded_for_display() -> None:
    grey = picture(square(display_color=Primvar(np.array([[0.2140411] * 3]), "constant")))
    assert grey[LEFT].mean() == pytest.approx(0.5, abs=1e-4)
    assert encode_srgb(np.array([0, 0.0031308, 1.0])) == pytest.approx([0, 0.04045, 1], abs=1e-5)


def test_materials_win_over_display_colours_face_by_face() -> None:
    character = square(
        display_color=Primvar(np.array([[0, 1.0, 0]]), "constant"),
        materials=(Material("/Red", (1.0, 0, 0), None),),
        face_material=np.array([0, -1]),
    )
    image = picture(character)
    assert image[LEFT].mean((0, 1)).tolist() == pytest.approx([1, 0, 0])
    assert image[RIGHT].mean((0, 1)).tolist() == pytest.approx([0, 1, 0])


def texture_file(pixels: list[list[list[int]]]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def textured() -> Character:
    return square(
        uv=Primvar(
            np.array([[0.25, 0.25], [0.5, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.75], [0.75, 0.75]]),
            "vertex",
        ),
        materials=(Material("/M", None, "colours.png"),),
        face_material=np.array([0, 0]),
    )


def test_textures_have_their_origin_in_the_lower_left() -> None:
    pixels = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
    image = picture(textured(), lambda path: texture_file(pixels))
    covered = torch.nonzero((image != 1).any(-1))
    top, left = covered.amin(0).tolist()
    assert image[top + 1, left + 1, 0] > 0.8
    assert image[29 - top, left + 1, 2] > 0.8


def test_a_texture_that_cannot_be_read_is_a_warning() -> None:
    def missing(path: str) -> bytes:
        raise StageNotFoundError(f"{path} is not there")

    surface = build_surface([textured()], missing)
    assert len(surface.warnings) == 1
    assert "colours.png" in surface.warnings[0]
    assert picture(textured(), missing)[LEFT].mean((0, 1)).tolist() == pytest.approx(GREY)
    assert "cannot be read" in build_surface([textured()], lambda path: b"no image").warnings[0]


def test_texture_samples_are_bilinear_and_repeat() -> None:
    texture = torch.tensor([[[0.0, 0, 0], [1, 1, 1]]])
    uv = torch.tensor([[0.25, 0.5], [0.5, 0.5], [0.75, 3.5], [0.0, 0.1], [-0.75, 0.5]])
    assert sample_texture(texture, uv)[:, 0].tolist() == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_a_texture_inside_a_usdz_is_found(data: Path) -> None:
    stage = open_stage(data / "edge" / "fox_survey.usdz")
    path = next(str(p.GetPath()) for p in stage.Traverse() if p.GetTypeName() == "Skeleton")
    surface = build_surface([read_character(stage, path)], read_texture_bytes)
    assert surface.warnings == ()
    assert len(surface.textures) == 1
    assert (surface.face_texture == 0).all()


def test_other_appearances_read_no_texture() -> None:
    clay = build_surface([textured()], no_texture, "shaded")
    assert clay.corner_colors[0, 0].tolist() == pytest.approx(CLAY)
    positions = build_surface([textured()], no_texture, "canonical").canonical
    assert positions.amin(0).tolist() == pytest.approx([0, 0, 0.5])
    assert positions.amax(0).tolist() == pytest.approx([1, 1, 0.5])


def test_left_handed_polygons_are_turned_round() -> None:
    mesh = square().meshes[0]
    right, left = triangulate(mesh), triangulate(replace(mesh, left_handed=True))
    assert right.faces.tolist() == [[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4]]
    assert left.faces.tolist() == [[0, 4, 1], [0, 3, 4], [1, 5, 2], [1, 4, 5]]
    assert right.polygon.tolist() == [0, 0, 1, 1]
    assert right.corners[2].tolist() == [4, 5, 6]


def test_polygons_of_fewer_than_three_corners_vanish() -> None:
    mesh = replace(
        square().meshes[0], face_counts=np.array([2, 4, 0, 1]), face_vertices=np.array([0, 1, 1, 2, 5, 4, 3])
    )
    assert triangulate(mesh).faces.tolist() == [[1, 2, 5], [1, 5, 4]]


def test_seams_are_no_outlines() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]])
    edges, faces = face_neighbours(np.array([[0, 1, 2], [3, 5, 4]]), points)
    shared = faces[(faces >= 0).all(1)]
    assert len(edges) == 5
    assert shared.tolist() == [[0, 1]]


@pytest.mark.parametrize("spread", [3, 1 << 50], ids=["packed", "large numbers"])
def test_neighbours_are_those_of_a_table(spread: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random triangles of few vertices, some of them at one place: edges of one to many faces."""
    random = np.random.default_rng(5)
    points = random.integers(0, 3, (14, 3)).astype(float)
    faces = np.stack([random.permutation(14)[:3] for _ in range(60)])
    places = {tuple(p): i for i, p in enumerate(points.tolist())}
    table: dict[frozenset[int], list[int]] = {}
    for number, face in enumerate(faces.tolist()):
        ends = [places[tuple(points[v].tolist())] for v in face]
        for a, b in zip(ends, [*ends[1:], ends[0]], strict=True):
            table.setdefault(frozenset((a, b)), []).append(number)
    expected = sorted(
        (sorted(edge), own[k], own[k + 1] if k + 1 < len(own) else -1)
        for edge, own in table.items()
        for k in range(0, len(own), 2)
    )
    sort = topology._sorted
    monkeypatch.setattr(topology, "_sorted", lambda numbers: sort(numbers * spread))
    edges, edge_faces = face_neighbours(faces, points)
    found = sorted(
        (sorted({places[tuple(points[v].tolist())] for v in edge}), *pair)
        for edge, pair in zip(edges.tolist(), edge_faces.tolist(), strict=True)
    )
    assert found == expected
    assert max(map(len, table.values())) > 3


def test_bones_stand_in_for_a_missing_mesh() -> None:
    bind = np.tile(np.eye(4), (4, 1, 1))
    bind[:, 0, 3] = [0, 1, 2, 0.5]
    character = with_bones(replace(make_character((-1, 0, 1, 1)), T_skel_joint_bind=bind))
    (mesh,) = character.meshes
    assert len(mesh.points) == 6 * (3 + 2)  # three bones, two ends
    assert np.isfinite(mesh.points).all()
    assert with_bones(limb()).meshes[0].path == "/Limb/Skin"


def _png(color: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(data, "png")
    return data.getvalue()


def test_colours_change_in_time_in_every_renderer() -> None:
    """The left face's colour goes from red to blue, the right one's texture from green to red at 5."""
    colors = np.array([[[1.0, 0, 0]] * 2, [[0, 0, 1.0]] * 2])
    images = {"green.png": _png((0, 255, 0)), "red.png": _png((255, 0, 0))}
    times = np.array([0.0, 10.0])
    character = square(
        display_color=Primvar(colors[0], "uniform"),
        uv=Primvar(np.full((6, 2), 0.5), "vertex"),
        materials=(
            Material("/M", None, "green.png", {"texture": Changing(times / 2, ("green.png", "red.png"))}),
        ),
        face_material=np.array([-1, 0]),
        changes={"display_color": Changing(times, tuple(colors))},
    )
    asked = np.array([0.0, 2.0, 5.0, 10.0])
    cameras = camera_at(4.2, azimuth=0, height=32, width=32)
    points = torch.from_numpy(character.meshes[0].points)[None].repeat(4, 1, 1)
    surface = build_surface([character], images.__getitem__)
    torch_pictures = TorchRenderer(surface, lighting=UNLIT).render(points, cameras, times=asked).rgb.numpy()
    looks = find_looks([character], images.__getitem__)
    white = np.ones((32, 32, 3)), np.full((32, 32), np.inf)
    lit = np.stack(list(draw_pictures(points.numpy(), looks, cameras, *white, asked))) / 255
    for frame, time in enumerate(asked):
        left = encode_srgb(np.array([1 - time / 10, 0, time / 10]))
        right = [1.0, 0, 0] if time >= 5 else [0, 1.0, 0]
        np.testing.assert_allclose(torch_pictures[frame][LEFT].mean((0, 1)), left, atol=1e-3)
        np.testing.assert_allclose(torch_pictures[frame][RIGHT].mean((0, 1)), right, atol=1e-3)
        for place, wanted in ((LEFT, left), (RIGHT, right)):
            seen = lit[frame][place].mean((0, 1))
            assert np.argmax(seen) == np.argmax(wanted)
    still = TorchRenderer(surface, lighting=UNLIT).render(points, cameras).rgb.numpy()
    assert np.ptp(still, axis=0).max() == 0  # without times the first sample counts


def test_a_texture_that_comes_later_and_is_not_there_is_named() -> None:
    images = {"green.png": _png((0, 255, 0))}

    def load(path: str) -> bytes:
        if path not in images:
            raise StageNotFoundError(f"no {path}")
        return images[path]

    track = Changing(np.array([1.0, 5.0]), ("green.png", "gone.png"))
    character = square(
        uv=Primvar(np.full((6, 2), 0.5), "vertex"),
        materials=(Material("/M", None, "green.png", {"texture": track}),),
        face_material=np.array([0, 0]),
    )
    assert any("gone.png" in warning for warning in build_surface([character], load).warnings)
