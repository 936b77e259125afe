"""World points to pixels of a pinhole camera in torch, with gradients; the conventions are those of
:mod:`engine.rendering.camera`."""

import numpy as np
import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from usd_io.shapes import Float


def camera_points(cameras: Cameras, points: Float[Tensor, "#image point 3"]) -> Float[Tensor, "_ point 3"]:
    """World points in camera space; one camera serves all images, or one set of points all cameras."""
    transform = _like(cameras.T_camera_world, points)
    return points @ transform[:, :3, :3].mT + transform[:, None, :3, 3]


def homogeneous_pixels(
    cameras: Cameras, points: Float[Tensor, "image point 3"]
) -> Float[Tensor, "image point 3"]:
    """Camera-space points as ``(x z, y z, z)`` with x and y in pixels: linear, so fine behind the camera too."""
    focal, centre = _like(cameras.focal, points)[:, None], _like(cameras.centre, points)[:, None]
    # (x f + z c, y g + z d, z 1 + z 0)
    scale = torch.cat([focal, torch.ones_like(focal[..., :1])], dim=-1)
    shift = torch.cat([centre, torch.zeros_like(centre[..., :1])], dim=-1)
    return points * scale + points[..., 2:] * shift


def project(cameras: Cameras, points: Float[Tensor, "#image point 3"]) -> Float[Tensor, "_ point 3"]:
    """World points as x, y [pixels] and depth [stage units]; what is not in front of a camera has no pixel (NaN)."""
    pixels = homogeneous_pixels(cameras, camera_points(cameras, points))
    depth = pixels[..., 2:]
    seen = torch.where(depth > 0, depth, torch.nan)
    return torch.cat([pixels[..., :2] / seen, depth], dim=-1)


def _like(array: Float[np.ndarray, "..."], tensor: Tensor) -> Tensor:
    return torch.as_tensor(array, dtype=tensor.dtype, device=tensor.device)
