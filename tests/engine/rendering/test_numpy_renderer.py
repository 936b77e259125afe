"""Pictures drawn in numpy are those of torch, but for the steps of outlines and the places where light is computed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.rendering import numpy_renderer
from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.ground import draw_ground, ground_below
from engine.rendering.mesh.looks import Looks, find_looks
from engine.rendering.mesh.surface import build_surface
from engine.rendering.numpy_renderer import draw_pictures, posed_points
from engine.rendering.renderers import TorchRenderer
from engine.rendering.torch_renderer.renderer import Backdrop
from engine.rendering.views import orbit_views
from tests.engine.rendering.shapes import camera_at, sphere
from usd_io.model import Character, Motion
from usd_io.read.character import find_skinned, read_bound_character
from usd_io.read.material import read_texture_bytes
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage

WHITE = np.ones((48, 64, 3), np.float32), np.full((48, 64), np.inf, np.float32)


def fox(data: Path) -> tuple[Character, Motion]:
    stage = open_stage(data / "fox" / "fox.usdc")
    path = "/Fox/Skeleton"
    character = read_bound_character(stage, path, find_skinned(stage))
    return character, read_motion(stage, path).at(np.array([0, 20, 40]))


def ball() -> Looks:
    """A sphere whose colours are its places."""
    points, faces = sphere(16)
    places = (points.numpy() + 1) / 2
    count = len(faces)
    return Looks(
        faces=faces.numpy(),
        face_mesh=np.zeros(count, int),
        corner_colors=places[faces.numpy()].astype(np.float32),
        corner_uvs=np.zeros((count, 3, 2), np.float32),
        face_texture=np.full(count, -1),
        textures=(),
        canonical=places,
    )


def drawn(points: np.ndarray, looks: Looks, camera: Cameras) -> np.ndarray:
    return np.stack(list(draw_pictures(points, looks, camera, *WHITE)))


def test_points_are_those_of_the_torch_rig(data: Path) -> None:
    character, motion = fox(data)
    (points,) = posed_points([character], [motion])
    theirs = Actors([character], [motion], torch.zeros((), dtype=torch.float64)).vertices(slice(0, 3))
    np.testing.assert_allclose(points, theirs.numpy(), atol=1e-6 * np.abs(points).max())


def test_points_that_are_animated_besides_the_skeleton_move(data: Path) -> None:
    character, motion = fox(data)
    mesh = character.meshes[0]
    times = motion.times[[0, -1]]
    growing = replace(mesh, point_times=times, point_samples=np.stack([mesh.points, mesh.points * 2]))
    character = replace(character, meshes=(growing,))
    (points,) = posed_points([character], [motion])
    theirs = Actors([character], [motion], torch.zeros((), dtype=torch.float64)).vertices(slice(0, 3))
    assert np.ptp(points[2], axis=0).max() > 1.5 * np.ptp(points[0], axis=0).max()
    np.testing.assert_allclose(points, theirs.numpy(), atol=1e-6 * np.abs(points).max())


def test_pictures_are_those_of_torch(data: Path) -> None:
    character, motion = fox(data)
    actors = Actors([character], [motion])
    (view,) = orbit_views(actors, {"view": 60.0}, height=160, width=160)
    assert isinstance(view.backdrop, Backdrop)
    theirs = TorchRenderer(build_surface([character], read_texture_bytes)).render(
        actors.vertices(slice(0, 3)), view.cameras, view.backdrop
    )
    (points,) = posed_points([character], [motion])
    ground = view.backdrop.rgb[0].numpy(), view.backdrop.depth[0].numpy()
    looks = find_looks([character], read_texture_bytes)
    ours = np.stack(list(draw_pictures(points, looks, view.cameras, *ground)))
    difference = np.abs(ours / 255 - theirs.rgb.numpy()).mean(-1)
    outside, inside = theirs.mask.numpy() == 0, theirs.mask.numpy() == 1
    assert inside.mean() > 0.05
    assert (difference[outside] > 1 / 255).mean() < 2e-3
    assert difference[inside].mean() < 0.02
    assert difference.mean() < 0.008


def test_outlines_show_in_steps_and_add_up_to_the_area() -> None:
    points, _ = sphere(16)
    looks = ball()
    black = Looks(**{**vars(looks), "corner_colors": np.zeros_like(looks.corner_colors)})
    (picture,) = drawn(points.numpy()[None], black, camera_at(5.0))
    free = (picture >= 254).all(-1)
    shown = ~free
    # a sphere seen from 5 radii away covers a disc of this radius [pixels]
    radius = camera_at(5.0).focal[0, 0] / np.sqrt(24)
    assert abs(shown.sum() / (np.pi * radius**2) - 1) < 0.12
    assert len(np.unique(picture[shown][:, 0])) > 3


def test_the_nearer_of_two_hides_the_other_whatever_their_order() -> None:
    points, faces = sphere(12)
    near, far = points.numpy() * 0.5, points.numpy()
    camera = camera_at(5.0)
    eye = camera.positions()[0]
    near = near + eye / np.linalg.norm(eye) * 2
    count = len(faces)

    def both(first_red: bool) -> np.ndarray:
        order = [near, far] if first_red else [far, near]
        red, green = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        colors = np.repeat(np.stack([red, green] if first_red else [green, red]), count, axis=0)
        looks = Looks(
            faces=np.concatenate([faces.numpy(), faces.numpy() + len(points)]),
            face_mesh=np.repeat([0, 1], count),
            corner_colors=np.repeat(colors[:, None], 3, axis=1).astype(np.float32),
            corner_uvs=np.zeros((2 * count, 3, 2), np.float32),
            face_texture=np.full(2 * count, -1),
            textures=(),
            canonical=np.concatenate(order),
        )
        return drawn(np.concatenate(order)[None], looks, camera)[0]

    picture = both(True)
    np.testing.assert_array_equal(picture, both(False))
    assert picture[24, 32, 0] > 100 > 40 > picture[24, 32, 1]


def test_what_lies_below_the_ground_is_hidden_and_what_is_behind_the_camera_left_out() -> None:
    points, _ = sphere(16)
    camera = camera_at(5.0)
    floor = ground_below(np.array([-1.0, 0, -1]), np.array([1.0, 1, 1]), "Y")
    rgb, depth = draw_ground(floor, camera)
    (picture,) = draw_pictures(points.numpy()[None], ball(), camera, rgb[0], depth[0])
    bare = (rgb[0] * 255 + 0.5).astype(np.uint8)
    changed = (picture != bare).any(-1)
    whole = (drawn(points.numpy()[None], ball(), camera)[0] < 255).any(-1)
    assert 0.3 < changed.sum() / whole.sum() < 0.8
    behind = points.numpy() + 2 * camera.positions()[0]
    np.testing.assert_array_equal(drawn(behind[None], ball(), camera), 255)


def test_many_small_parts_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = sphere(16)
    whole = drawn(points.numpy()[None], ball(), camera_at(5.0))
    monkeypatch.setattr(numpy_renderer, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr(numpy_renderer, "SAMPLES_AT_ONCE", 30)
    np.testing.assert_array_equal(drawn(points.numpy()[None], ball(), camera_at(5.0)), whole)


def test_triangles_without_area_are_not_drawn() -> None:
    place = np.array([[-0.6, -0.3, 0.0], [0.1, 0.05, 0.0], [0.5, 0.25, 0.0]])
    looks = replace(
        ball(),
        faces=np.array([[0, 1, 2], [0, 0, 2]]),
        face_mesh=np.zeros(2, int),
        corner_colors=np.zeros((2, 3, 3), np.float32),
        corner_uvs=np.zeros((2, 3, 2), np.float32),
        face_texture=np.full(2, -1),
        canonical=place,
    )
    assert (drawn(place[None], looks, camera_at(5.0, azimuth=0.0)) == 255).all()


def of_faces(looks: Looks, chosen: np.ndarray) -> Looks:
    """Some of its triangles, in the order given."""
    per_face = ("faces", "face_mesh", "corner_colors", "corner_uvs", "face_texture")
    return replace(looks, **{name: getattr(looks, name)[chosen] for name in per_face})


@pytest.mark.parametrize("way", [1, -1], ids=["outwards", "inwards"])
def test_what_a_closed_surface_hides_is_left_out_and_changes_nothing(
    way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = sphere(16)
    looks = replace(ball(), faces=ball().faces[:, ::way])
    camera = camera_at(5.0)
    faces = []

    def visible(found: numpy_renderer._Faces, *rest: int) -> tuple[np.ndarray, np.ndarray]:
        faces.append(len(found.face))
        return _visible(found, *rest)

    _visible = numpy_renderer._visible
    monkeypatch.setattr(numpy_renderer, "_visible", visible)
    picture = drawn(points.numpy()[None], looks, camera)
    monkeypatch.setattr(numpy_renderer, "_turned_away", lambda volume, *rest: np.zeros(volume.shape, bool))
    np.testing.assert_array_equal(drawn(points.numpy()[None], looks, camera), picture)
    assert faces[0] < 0.55 * faces[1]


def test_surfaces_are_found_however_their_vertices_are_numbered() -> None:
    length = 20_000  # from one end of a strip to the other; by one neighbour at a time it would take minutes
    strip = np.arange(length)[:, None] + np.arange(3)
    tetrahedron = 2 * (length + 2) + np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    faces = np.concatenate([strip, strip + length + 2, tetrahedron])
    vertices = int(faces.max()) + 1
    renumbered = np.random.default_rng(5).permutation(vertices)[faces]
    surface, closed = numpy_renderer._surfaces(renumbered, vertices)
    parts = np.split(surface, [length, 2 * length])
    assert [len({*part.tolist()}) for part in parts] == [1, 1, 1]
    assert len({int(part[0]) for part in parts}) == len(closed) == 3
    assert closed[[int(part[0]) for part in parts]].tolist() == [False, False, True]


def test_surfaces_that_turn_opposite_ways_are_both_seen_from_outside() -> None:
    points, _ = sphere(16)
    looks, count = ball(), len(ball().faces)
    apart = np.concatenate([points.numpy() * 0.4 - [0.5, 0, 0], points.numpy() * 0.4 + [0.5, 0, 0]])
    two = of_faces(looks, np.tile(np.arange(count), 2))
    two = replace(two, faces=np.concatenate([looks.faces, looks.faces[:, ::-1] + len(points)]))
    same = replace(two, faces=np.concatenate([looks.faces, looks.faces + len(points)]))
    camera = camera_at(5.0, azimuth=0.0)
    colors = two.corner_colors.copy()
    colors[count:] = colors[count:, ::-1]  # of the same corners
    two = replace(two, corner_colors=colors)
    difference = np.abs(drawn(apart[None], two, camera).astype(int) - drawn(apart[None], same, camera))
    assert difference.max() <= 1


def test_the_inside_of_an_open_surface_is_seen() -> None:
    points, _ = sphere(16)
    looks, camera = ball(), camera_at(5.0)
    towards = points.numpy()[looks.faces].mean(1) @ camera.positions()[0] > 0
    bowl = drawn(points.numpy()[None], of_faces(looks, np.flatnonzero(~towards)), camera)
    whole = drawn(points.numpy()[None], looks, camera)
    seen, outline = (bowl < 255).any(-1), (whole < 255).any(-1)
    assert seen.sum() > 0.95 * outline.sum()


def test_two_sheets_back_to_back_are_seen_from_both_sides() -> None:
    place = np.array([[-0.6, -0.5, 0.0], [0.6, -0.5, 0.0], [0.0, 0.6, 0.0]])
    looks = replace(
        of_faces(ball(), np.arange(2)),
        faces=np.array([[0, 1, 2], [2, 1, 0]]),
        corner_colors=np.zeros((2, 3, 3), np.float32),
        canonical=place,
    )
    for azimuth in (0.0, 180.0):
        assert (drawn(place[None], looks, camera_at(5.0, azimuth=azimuth)) < 255).any(-1).sum() > 50


def test_texture_places_next_to_an_edge_are_in_the_picture() -> None:
    points, _ = sphere(16)
    count = len(ball().faces)
    looks = replace(
        ball(),
        corner_uvs=np.broadcast_to([-1e-20, 1e-20], (count, 3, 2)).copy(),
        face_texture=np.zeros(count, int),
        textures=(np.zeros((4, 4, 3), np.uint8),),
    )
    assert (drawn(points.numpy()[None], looks, camera_at(5.0)) < 255).any()


def test_nothing_to_see_is_the_ground() -> None:
    points, _ = sphere(4)
    looks = ball()
    per_face = ("faces", "face_mesh", "corner_colors", "corner_uvs", "face_texture")
    none = Looks(**{**vars(looks), **{name: getattr(looks, name)[:0] for name in per_face}})
    np.testing.assert_array_equal(drawn(points.numpy()[None], none, camera_at(5.0)), 255)
