"""What the player unpacks is what the run made."""

import base64
import gzip
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.geometry.skeleton import joint_positions, joint_transforms, skin_points
from engine.report.contents import Contents, read_contents
from engine.report.player import pack
from engine.report.surface import MOST_FACES, SkinnedSurface, skinned_surface
from tests.engine.conftest import make_character
from usd_io.model import Character, Mesh, Motion, Primvar
from usd_io.read.material import read_texture_bytes

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def contents(reported: Path) -> Contents:
    return read_contents(reported)


def unpacked(values: dict[str, Any]) -> Arrays:
    """The arrays as ``player.js`` gets them."""
    block = gzip.decompress(base64.b64decode(values["bytes"]))
    return {
        name: np.frombuffer(block, np.dtype(kind).newbyteorder("<"), count, offset)
        for name, (kind, offset, count) in values["arrays"].items()
    }


def take_of(arrays: Arrays, take: int | str, joints: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Translations, rotations and scales of a take, by the inverse of the packing."""

    def values(name: str) -> np.ndarray:
        low, high = arrays[name].astype(int).reshape(2, -1)
        folded = (low | high << 8).reshape(-1, 10 * joints)
        return np.cumsum(np.where(folded % 2, -(folded + 1) // 2, folded // 2), axis=0)

    whole = values("a0.result") + (0 if take == "result" else values(f"a0.{take}"))
    whole = (whole % 65536).reshape(-1, joints, 10)
    moved, grown = (arrays[f"a0.{name}"].reshape(2, joints, 3) for name in ("translations", "scales"))
    rotations = (whole[..., 3:7] - 32768) / 32767
    return (
        moved[0] + whole[..., :3] / 65535 * moved[1],
        rotations / np.linalg.norm(rotations, axis=-1, keepdims=True),
        grown[0] + whole[..., 7:] / 65535 * grown[1],
    )


def test_every_take_comes_out_as_it_was(contents: Contents) -> None:
    values, notes = pack(contents, read_texture_bytes)
    arrays, (actor,) = unpacked(values), contents.actors
    assert notes == ()
    for index, (name, motion) in enumerate(actor.takes.items()):
        t, q, s = take_of(arrays, "result" if name == "result" else index, len(actor.character.joints))
        packed = Motion(**{**vars(motion), "translations": t, "rotations": q, "scales": s})
        off = joint_positions(actor.character, packed) - joint_positions(actor.character, motion)
        assert np.abs(off).max() < 5e-4 * actor.height, name
    assert list(actor.takes) == ["slerp", "result", "take 2", "truth"]
    assert not np.allclose(take_of(arrays, 0, 24)[1], take_of(arrays, "result", 24)[1])


def test_the_packed_skin_moves_as_usd_has_it(contents: Contents) -> None:
    actor = contents.actors[0]
    surface = skinned_surface(actor.character, read_texture_bytes)
    motion = actor.takes["result"].at(slice(6, 7))
    T = joint_transforms(actor.character, motion)[0] @ np.linalg.inv(actor.character.T_skel_joint_bind)
    weights = surface.weights / 255
    points = np.concatenate([surface.points, np.ones((len(surface.points), 1))], axis=1)
    got = np.einsum("vi,viab,vb->va", weights, np.append(T, np.eye(4)[None], 0)[surface.joints], points)[
        :, :3
    ]
    (mesh,) = actor.character.meshes
    want = skin_points(mesh, actor.character.T_skel_joint_bind, joint_transforms(actor.character, motion))[0]
    nearest = np.linalg.norm(got[:, None] - want[None], axis=-1).min(1)
    assert nearest.max() < 0.01 * actor.height  # weights in 255ths
    assert np.median(nearest) < 1e-3 * actor.height
    assert {texture for _, _, texture, _ in surface.groups} == {0}


def square(influences: int = 1, *, cells: int = 1) -> Character:
    """A plate of squares, each of its own colour, whose vertices hang on several joints."""
    side = cells + 1
    x, y = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    points = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    a = (np.arange(cells)[:, None] * side + np.arange(cells)).reshape(-1)
    faces = np.stack([a, a + side, a + side + 1, a + 1], -1)
    count = len(points)
    colors = np.linspace(0, 1, 3 * len(faces), dtype=np.float32).reshape(-1, 3)
    mesh = Mesh(
        path="/Plate",
        points=points,
        face_counts=np.full(len(faces), 4),
        face_vertices=faces.reshape(-1),
        joint_indices=np.tile(np.arange(influences), (count, 1)),
        joint_weights=np.tile(np.full(influences, 1 / max(influences, 1), np.float32), (count, 1)),
        T_skel_mesh=np.eye(4),
        display_color=Primvar(colors, "uniform"),
    )
    joints = tuple(range(-1, max(influences, 2) - 1))
    return Character(**{**vars(make_character(joints)), "meshes": (mesh,)})


def made(character: Character) -> SkinnedSurface:
    return skinned_surface(character, lambda path: b"")


def test_corners_are_shared_where_they_look_alike() -> None:
    assert len(made(square()).points) == 4
    assert len(made(square(cells=2)).points) == 16  # four colours meet in the middle


def test_the_largest_weights_stay_and_sum_to_one() -> None:
    surface = made(square(influences=6))
    assert surface.joints.shape == (4, 4)
    assert (surface.weights.astype(int).sum(1) == 255).all()


def test_points_without_weight_hang_on_what_never_moves() -> None:
    character = square()
    mesh = character.meshes[0]
    free = Mesh(**{**vars(mesh), "joint_weights": 0 * mesh.joint_weights})
    surface = made(Character(**{**vars(character), "meshes": (free,)}))
    assert (surface.joints[:, 0] == len(character.joints)).all()
    assert (surface.weights == [255, 0, 0, 0]).all()


def test_a_large_mesh_is_made_coarser() -> None:
    surface = made(square(cells=260))  # 135,200 triangles
    assert surface.coarser
    assert 5_000 < len(surface.faces) <= MOST_FACES
    assert np.ptp(surface.points, axis=0)[:2].min() > 0.97 * 260
    assert surface.faces.max() < len(surface.points)


def test_textures_are_small_pictures(contents: Contents) -> None:
    values, _ = pack(contents, read_texture_bytes)
    (texture,) = values["textures"]
    kind, data = texture.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert max(image.size) <= 512


def test_a_mesh_that_comes_and_goes_has_faces_and_flags_of_its_own(contents: Contents) -> None:
    (actor,) = contents.actors
    middle = float(contents.times[len(contents.times) // 2])
    late = replace(square().meshes[0], path="/Late", visibility=((0.0, False), (middle, True)))
    character = replace(actor.character, meshes=(*actor.character.meshes, late))
    values, _ = pack(replace(contents, actors=(replace(actor, character=character),)), read_texture_bytes)
    groups = values["actors"][0]["groups"]
    (flags,) = [flags for *_, flags in groups if flags is not None]
    assert flags == [int(time >= middle) for time in contents.times]
    assert sum(count for _, count, *_ in groups) == groups[-1][0] + groups[-1][1]
    assert [None] == [flags for *_, flags in pack(contents, read_texture_bytes)[0]["actors"][0]["groups"]]
