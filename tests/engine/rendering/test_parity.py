"""Agreement with pictures recorded from PyTorch3D; see ``tests/data/README.md``.

``ANYMOLE_PARITY`` may name a folder with other records of the same layout: image size, camera and counts are read
from them.
"""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from engine.rendering.mesh.topology import face_neighbours
from engine.rendering.projection import project
from engine.rendering.torch_renderer.renderer import Images, render
from engine.rendering.torch_renderer.shade import PAPER_LIGHT

FOLDER = Path(os.environ.get("ANYMOLE_PARITY", Path(__file__).parents[2] / "data" / "parity"))
Records = dict[str, Tensor]


@pytest.fixture(scope="module")
def records() -> Records:
    return load_file(FOLDER / "phong.safetensors")


@pytest.fixture(scope="module")
def cameras(records: Records) -> Cameras:
    """PyTorch3D's camera space has x to the left and y up; its focal length follows from the recorded pixels."""
    height, width = records["rgb"].shape[1:3]
    transform = np.eye(4)
    flip = np.diag([-1.0, -1.0, 1.0])
    transform[:3, :3] = flip @ records["R"][0].double().numpy().T
    transform[:3, 3] = flip @ records["T"][0].double().numpy()
    points = records["verts"].double().numpy() @ transform[:3, :3].T + transform[:3, 3]
    slopes = (points[..., :2] / points[..., 2:]).reshape(-1, 2)
    pixels = records["screen"][..., :2].double().numpy().reshape(-1, 2)
    fits = [np.polyfit(slopes[:, axis], pixels[:, axis], 1) for axis in (0, 1)]
    focal, centre = np.array(fits).T
    return Cameras(transform[None], focal[None], centre[None], height, width, near=0.01)


@pytest.fixture(scope="module")
def surface(records: Records) -> Surface:
    faces, texture = records["faces"].long(), records["texture"]
    edges, edge_faces = face_neighbours(faces.numpy(), records["verts"][0].numpy())
    size = torch.tensor([texture.shape[1], texture.shape[0]])
    uv = (records["uv"] * (size - 1) + 0.5) / size  # there the corners of the square are texel centres
    count = len(faces)
    return Surface(
        faces=faces,
        edges=torch.from_numpy(edges),
        edge_faces=torch.from_numpy(edge_faces),
        face_mesh=torch.zeros(count, dtype=torch.int64),
        corner_colors=torch.zeros(count, 3, 3),
        corner_uvs=uv[faces],
        face_texture=torch.zeros(count, dtype=torch.int64),
        textures=(texture,),
        canonical=records["verts"][0],
    )


@pytest.fixture(scope="module")
def drawn(records: Records, cameras: Cameras, surface: Surface) -> tuple[Images, Tensor]:
    vertices = records["verts"].clone().requires_grad_()
    return render(vertices, cameras, surface, lighting=PAPER_LIGHT), vertices


def test_projected_vertices_agree(records: Records, cameras: Cameras) -> None:
    difference = project(cameras, records["verts"])[..., :2] - records["screen"][..., :2]
    assert difference.abs().max() < 1e-3


def test_face_ids_agree(records: Records, drawn: tuple[Images, Tensor]) -> None:
    assert drawn[0].face_id is not None
    assert (drawn[0].face_id != records["face_id"]).sum() <= 5


def test_colours_agree(records: Records, drawn: tuple[Images, Tensor]) -> None:
    same = drawn[0].face_id == records["face_id"]
    assert (drawn[0].rgb.detach() - records["rgb"])[same].abs().max() < 1e-3


def test_depths_agree(records: Records, drawn: tuple[Images, Tensor]) -> None:
    same = drawn[0].face_id == records["face_id"]
    depth = torch.where(drawn[0].depth.isinf(), -1, drawn[0].depth.detach())
    assert (depth - records["depth"])[same].abs().max() < 1e-4


def test_vertex_gradients_agree(records: Records, drawn: tuple[Images, Tensor]) -> None:
    images, vertices = drawn
    seed = zlib.crc32(b"image_grad")
    weights = torch.randn(images.rgb.shape, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad((images.rgb * weights).sum(), vertices, retain_graph=True)
    expected = records["grad_verts"]
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.99
