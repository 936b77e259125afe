"""What joint evidence says of the unknowns."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.geometry.skeleton import subtrees
from engine.joints.evidence import JointEvidence
from engine.mimic.gauss_newton import Term
from engine.mimic.kinematics import Pose, by_offsets, point_levers
from engine.mimic.parameters import Unknowns, spacing
from engine.rendering.camera import Cameras
from engine.rendering.projection import camera_points, homogeneous_pixels
from usd_io.shapes import Bool, Float

HUBER = 2.0
"""Residuals beyond this many standard deviations count linearly, not squared (Huber 1964)."""
CORRELATION_S = 0.7
"""An estimator's errors are alike in neighbouring frames: frames nearer than this [s] count as one (measured on trained
estimators, docs/measurements.md)."""
SHARED = (0.1, 0.1, 0.4)
"""Part of the variance of x, y and depth that all joints of a frame share (measured likewise); of depth, where it is
the distance of the whole character, evidence may tell its own part."""
LEAST_SHARED, MOST_SHARED = 0.1, 0.8
"""Bounds of what it tells."""
AXES = slice(0, 2), slice(2, 3)
"""Of places, and of depths."""
NUMBERS_AT_ONCE = 1 << 20
"""Derivatives of the frames looked at together: bounds memory."""
REWEIGHTINGS = 5
"""Of the robust weights, to find what the joints of a frame share."""


@dataclass(frozen=True, eq=False)
class JointTerm:
    """Joint evidence of one character, ready to compare with poses (float64).

    The errors of a frame, in standard deviations, are ``sqrt(shared) c + sqrt(1 - shared) e_j``: one number for all
    joints and one for each, all standard normal. The first is found in closed form, so that the mean of a frame
    counts once however many joints tell it.
    """

    target: Float[Tensor, "frame joint 3"]
    """x, y [pixels] and depth [stage units]."""
    sigma: Float[Tensor, "frame joint 3"]
    """As the evidence gives them."""
    scale: Float[Tensor, " 3"]
    """How much larger errors are than the evidence says."""
    used: Bool[Tensor, " joint"]
    carried: Float[Tensor, "joint free"]
    """1 where a joint with unknowns carries a joint."""
    weight: float
    """Of each frame."""
    shared: Float[Tensor, " 3"]
    """Part of the variance that all joints of a frame share."""

    def rescaled(self, plane: float, depth: float) -> "JointTerm":
        """With other factors on the errors of the evidence."""
        return replace(self, scale=torch.tensor([plane, plane, depth], dtype=torch.float64))


class JointForm(NamedTuple):
    """The terms of places and of depths apart."""

    plane: Term
    depth: Term
    numbers: tuple[float, float]
    """How many independent numbers each of them holds."""


def make_joint_term(unknowns: Unknowns, evidence: JointEvidence, weight: float) -> JointTerm:
    """Evidence of the frames of the video; see :class:`JointTerm`."""
    target = np.concatenate([evidence.xy, evidence.depth[..., None]], -1).astype(float)
    sigma = np.stack([evidence.xy_sigma, evidence.xy_sigma, evidence.depth_sigma], -1).astype(float)
    free = torch.cat([unknowns.turning, unknowns.moving])
    rate = unknowns.start.time_codes_per_second
    # frames nearer than the correlation time [s] share their errors: each counts by the part of it that it spans; those
    # of two videos do not, since each has an estimator of its own
    apart = spacing(unknowns.base.times, rate) / rate or CORRELATION_S
    return JointTerm(
        target=torch.from_numpy(target),
        sigma=torch.from_numpy(sigma),
        scale=torch.ones(3, dtype=torch.float64),
        used=torch.from_numpy(np.asarray(evidence.seen, bool)),
        carried=torch.from_numpy(subtrees(unknowns.character.parents).T.astype(float))[:, free],
        weight=weight * min(1.0, apart / CORRELATION_S),
        shared=torch.tensor([*SHARED[:2], _shared_depth(evidence)], dtype=torch.float64),
    )


def _shared_depth(evidence: JointEvidence) -> float:
    """Part of the variance of depth that the joints of a frame share."""
    if evidence.depth_common_sigma is None:
        return SHARED[2]
    whole = (np.asarray(evidence.depth_sigma, float)[:, evidence.seen] ** 2).mean()
    share = (np.asarray(evidence.depth_common_sigma, float) ** 2).mean() / whole
    return float(np.clip(share, LEAST_SHARED, MOST_SHARED))


def residuals(term: JointTerm, pose: Pose, cameras: Cameras) -> Float[Tensor, "frame joint 3"]:
    """Differences in standard deviations of the evidence; zero for joints without evidence."""
    points = camera_points(cameras, pose.T_world_joint[..., :3, 3])
    pixels = homogeneous_pixels(cameras, points)
    depth = pixels[..., 2:].clamp_min(cameras.near)
    # x and y [pixels] by division through depth, kept in front of the camera; depth [stage units] as it is
    got = torch.cat([pixels[..., :2] / depth, pixels[..., 2:]], -1)
    return torch.where(term.used[:, None], (got - term.target) / term.sigma, 0.0)


def joint_form(term: JointTerm, pose: Pose, cameras: Cameras) -> JointForm:
    """Cost, gradient and Gauss-Newton matrix of places and of depths."""
    used, shared = term.used, term.shared
    residual = residuals(term, pose, cameras)[:, used] / term.scale
    own, common, weights = _split(residual, shared)
    plane, along = (_huber(size).sum() for size in _sizes(own))
    # d(x, y, depth) / d(world point), in standard deviations; then per unknown, by how that moves the point
    rows = camera_rows(pose.T_world_joint[..., :3, 3], cameras)[:, used]
    rows = rows / (term.sigma[:, used] * term.scale)[..., None]
    points, carried = pose.T_world_joint[:, used, :3, 3], term.carried[used]
    # the gradient at the best common error c: J^T W (r - sqrt(s) c) / (1 - s)
    off = residual - shared.sqrt() * common[:, None]
    step = max(1, NUMBERS_AT_ONCE // max(1, 9 * points.shape[1] * carried.shape[1]))
    hessians: tuple[list[Tensor], list[Tensor]] = ([], [])
    gradients: tuple[list[Tensor], list[Tensor]] = ([], [])
    for first in range(0, len(residual), step):
        some = slice(first, first + step)
        jacobians = point_levers(pose, some, points[some], carried, rows[some])
        for number, axes in enumerate(AXES):
            jacobian = jacobians[:, :, axes]
            # what a frame shares is eliminated (a Schur complement): J^T W J / (1 - s), less the part along the common
            # error, with s the shared part of the variance and W the robust weights
            weighted = weights[some, :, axes, None] / (1 - shared[axes, None]) * jacobian
            together = shared[axes, None].sqrt() * weighted.sum(1)
            least = 1 + (shared / (1 - shared) * weights[some].sum(1))[:, axes]
            flat, weighted = jacobian.flatten(1, 2), weighted.flatten(1, 2)
            hessian = flat.mT @ weighted - together.mT @ (together / least[..., None])
            gradient = weighted.mT @ off[some, :, axes].flatten(1)[..., None]
            # sums over joints first, then once from turns and moves to offsets, on both sides of the matrix
            hessians[number].append(by_offsets(pose, some, by_offsets(pose, some, hessian).mT))
            gradients[number].append(by_offsets(pose, some, gradient)[..., 0])
    forms = []
    for number, (axes, robust) in enumerate(zip(AXES, (plane, along), strict=True)):
        cost = term.weight * float(robust + 0.5 * (common[:, axes] ** 2).sum())
        hessian, gradient = torch.cat(hessians[number]), torch.cat(gradients[number])
        forms.append(Term(cost, term.weight * hessian, term.weight * gradient))
    count = term.weight * residual.shape[0] * residual.shape[1]
    return JointForm(forms[0], forms[1], (2 * count, count))


def _split(
    residual: Float[Tensor, "frame joint 3"], shared: Float[Tensor, " 3"]
) -> tuple[Float[Tensor, "frame joint 3"], Float[Tensor, "frame 3"], Float[Tensor, "frame joint 3"]]:
    """What each joint's error is by itself, what all of a frame share, and robust weights: the least cost over all
    ways to share, by iteratively reweighted least squares."""
    weights, common = torch.ones_like(residual), residual[:, 0] * 0
    for _ in range(REWEIGHTINGS):
        # the minimum over c of c^2 / 2 + sum w (r - sqrt(s) c)^2 / (2 (1 - s)), a line in closed form
        ratio = shared.sqrt() / (1 - shared)
        common = ratio * (weights * residual).sum(1) / (1 + shared.sqrt() * ratio * weights.sum(1))
        own = (residual - shared.sqrt() * common[:, None]) / (1 - shared).sqrt()
        # Huber's weights: x and y together by their distance, depth by itself
        plane, along = (torch.where(size > HUBER, HUBER / size, 1.0) for size in _sizes(own))
        weights = torch.stack([plane, plane, along], -1)
    return own, common, weights


def camera_rows(points: Float[Tensor, "frame point 3"], cameras: Cameras) -> Float[Tensor, "frame point 3 3"]:
    """Derivatives of x, y [pixels] and depth by world points."""
    seen = camera_points(cameras, points)
    depth = seen[..., 2].clamp_min(cameras.near)
    focal = torch.as_tensor(cameras.focal).to(points)
    zero, one = torch.zeros_like(depth), torch.ones_like(depth)
    fx, fy = (f[:, None] / depth for f in focal.unbind(1))
    # x = f X / Z + c, so dx = f / Z dX - f X / Z^2 dZ; y alike; depth is Z. In camera space, then turned to world space
    rows = torch.stack(
        [fx, zero, -fx * seen[..., 0] / depth, zero, fy, -fy * seen[..., 1] / depth, zero, zero, one], -1
    ).reshape(*points.shape, 3)
    return rows @ torch.as_tensor(cameras.T_camera_world[:, None, :3, :3]).to(points)


def _sizes(residual: Float[Tensor, "frame joint 3"]) -> tuple[Tensor, Tensor]:
    return (residual[..., :2] ** 2).sum(-1).sqrt(), residual[..., 2].abs()


def _huber(size: Tensor) -> Tensor:
    return torch.where(size > HUBER, HUBER * (size - HUBER / 2), size**2 / 2)
