"""What joint evidence says of the unknowns."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.joints.evidence import JointEvidence
from engine.mimic.kinematics import Pose, point_rows
from engine.mimic.solve import Term
from engine.mimic.unknowns import Unknowns
from engine.rendering.camera import Cameras, camera_points, homogeneous_pixels
from usd_io.model import Character

HUBER = 2.0
"""Residuals beyond this many standard deviations count linearly, not squared (Huber 1964)."""
CORRELATION = 6.0
"""So many numbers of joint evidence are worth one independent number: an estimator's errors are alike in neighbouring
frames and joints (chosen on the oracle test, docs/measurements.md)."""


@dataclass(frozen=True, eq=False)
class JointTerm:
    """Joint evidence of one character, ready to compare with poses (float64)."""

    target: Float[Tensor, "frame joint 3"]
    """x, y [pixels] and depth [stage units]."""
    sigma: Float[Tensor, "frame joint 3"]
    used: Bool[Tensor, " joint"]
    carried: Float[Tensor, "joint free"]
    """1 where a joint with unknowns carries a joint."""
    weight: float


def make_joint_term(unknowns: Unknowns, evidence: JointEvidence, weight: float) -> JointTerm:
    """Evidence of the frames of the video; see :class:`JointTerm`."""
    target = np.concatenate([evidence.xy, evidence.depth[..., None]], -1).astype(float)
    sigma = np.stack([evidence.xy_sigma, evidence.xy_sigma, evidence.depth_sigma], -1).astype(float)
    free = torch.cat([unknowns.turning, unknowns.moving])
    return JointTerm(
        target=torch.from_numpy(target),
        sigma=torch.from_numpy(sigma),
        used=torch.from_numpy(np.asarray(evidence.seen, bool)),
        carried=torch.from_numpy(subtrees(unknowns.character).T.astype(float))[:, free],
        weight=weight / CORRELATION,
    )


def subtrees(character: Character) -> Bool[np.ndarray, "joint below"]:
    """Which joints each joint carries, itself included."""
    count = len(character.joints)
    carries = np.eye(count, dtype=bool)
    for joint in range(count - 1, -1, -1):
        if character.parents[joint] >= 0:
            carries[character.parents[joint]] |= carries[joint]
    return carries


def residuals(term: JointTerm, pose: Pose, cameras: Cameras) -> Float[Tensor, "frame joint 3"]:
    """Differences in standard deviations; zero for joints without evidence."""
    points = camera_points(cameras, pose.T_world_joint[..., :3, 3])
    pixels = homogeneous_pixels(cameras, points)
    depth = pixels[..., 2:].clamp_min(cameras.near)
    got = torch.cat([pixels[..., :2] / depth, pixels[..., 2:]], -1)
    return torch.where(term.used[:, None], (got - term.target) / term.sigma, 0.0)


def joint_cost(term: JointTerm, residual: Float[Tensor, "frame joint 3"]) -> float:
    """Huber's cost of the residuals: places as pairs, depths alone."""
    return term.weight * float(sum(_huber(size).sum() for size in _sizes(residual)))


def joint_form(term: JointTerm, pose: Pose, cameras: Cameras) -> Term:
    """Cost, gradient and Gauss-Newton matrix."""
    residual = residuals(term, pose, cameras)
    plane, along = (torch.where(size > HUBER, HUBER / size, 1.0) for size in _sizes(residual))
    weights = torch.stack([plane, plane, along], -1)
    camera = camera_rows(pose.T_world_joint[..., :3, 3], cameras)
    hessians, gradients = [], []
    for frame in range(len(residual)):
        used = term.used
        rows = camera[frame][used] / term.sigma[frame][used][..., None]
        points = pose.T_world_joint[frame, used, :3, 3]
        jacobian = point_rows(pose, frame, points, term.carried[used], rows).flatten(0, 1)
        weighted = weights[frame][used].flatten()
        hessians.append(jacobian.T @ (weighted[:, None] * jacobian))
        gradients.append(jacobian.T @ (weighted * residual[frame][used].flatten()))
    return Term(
        joint_cost(term, residual), term.weight * torch.stack(hessians), term.weight * torch.stack(gradients)
    )


def camera_rows(points: Float[Tensor, "frame point 3"], cameras: Cameras) -> Float[Tensor, "frame point 3 3"]:
    """Derivatives of x, y [pixels] and depth by world points."""
    seen = camera_points(cameras, points)
    depth = seen[..., 2].clamp_min(cameras.near)
    focal = torch.as_tensor(cameras.focal).to(points)
    zero, one = torch.zeros_like(depth), torch.ones_like(depth)
    fx, fy = (f[:, None] / depth for f in focal.unbind(1))
    rows = torch.stack(
        [fx, zero, -fx * seen[..., 0] / depth, zero, fy, -fy * seen[..., 1] / depth, zero, zero, one], -1
    ).reshape(*points.shape, 3)
    return rows @ torch.as_tensor(cameras.T_camera_world[:, None, :3, :3]).to(points)


def _sizes(residual: Float[Tensor, "frame joint 3"]) -> tuple[Tensor, Tensor]:
    return (residual[..., :2] ** 2).sum(-1).sqrt(), residual[..., 2].abs()


def _huber(size: Tensor) -> Tensor:
    return torch.where(size > HUBER, HUBER * (size - HUBER / 2), size**2 / 2)
