"""Gauss-Newton steps on the unknowns, matrix-free in time."""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.mimic.parameters import Unknowns
from usd_io.shapes import Float

ITERATIONS = 300
"""Most iterations of a linear solution."""
ROUGHLY, ACCURATELY = 1e-2, 1e-6
"""Residuals at which it ends, relative to the start: for a step that is corrected by the next one, and for good."""


class Term(NamedTuple):
    """A cost and its Gauss-Newton form, per frame, in the parameters of one character."""

    cost: float
    hessian: Float[Tensor, "frame parameter parameter"]
    gradient: Float[Tensor, "frame parameter"]


class Quadratic(NamedTuple):
    """The cost around a state, prior included, in the whitened unknowns of one character."""

    basis: Float[Tensor, "frame mode"]
    hessian: Float[Tensor, "frame parameter parameter"]
    gradient: Float[Tensor, "mode parameter"]
    diagonal: Float[Tensor, "mode parameter"]

    def times(self, v: Float[Tensor, "*batch mode parameter"]) -> Float[Tensor, "*batch mode parameter"]:
        """The product with the Gauss-Newton matrix."""
        at_frames = self.basis @ v
        # one product of matrices per frame, all of a batch side by side: half the time of torch.einsum
        beside = at_frames.reshape(-1, *at_frames.shape[-2:]).permute(1, 2, 0)
        inner = (self.hessian @ beside).permute(2, 0, 1).reshape(at_frames.shape)
        return v + self.basis.T @ inner


def quadratic(unknowns: Unknowns, term: Term, z: Float[Tensor, "mode parameter"]) -> Quadratic:
    """The cost of a term and of the prior around ``z``."""
    mixing, basis = unknowns.mixing, unknowns.basis
    # parameters are `basis @ z @ mixing^T`; the prior of z is standard normal, so that it adds z to the gradient and
    # the identity to the matrix
    hessian = mixing.T @ term.hessian @ mixing
    gradient = z + basis.T @ (term.gradient @ mixing)
    diagonal = 1 + (basis**2).T @ hessian.diagonal(dim1=1, dim2=2)
    return Quadratic(basis, hessian, gradient, diagonal)


def no_term(unknowns: Unknowns) -> Term:
    """What nothing says of the unknowns."""
    frames, size = len(unknowns.basis), len(unknowns.mixing)
    nothing = torch.zeros(frames, size, size, dtype=torch.float64)
    return Term(0.0, nothing, nothing.sum(2))


def add(a: Term, b: Term) -> Term:
    """Two terms as one."""
    return Term(a.cost + b.cost, a.hessian + b.hessian, a.gradient + b.gradient)


def solve(
    form: Quadratic, right: Float[Tensor, "*batch mode parameter"], damping: float, accuracy: float
) -> Float[Tensor, "*batch mode parameter"]:
    """Conjugate gradients (Hestenes and Stiefel 1952) on the Gauss-Newton matrix, its diagonal as preconditioner."""
    # solves (H + damping diag(H)) x = right, started at 0; `ahead` is the preconditioned residual
    scale = (1 + damping) * form.diagonal
    x = torch.zeros_like(right)
    residual = right
    ahead = residual / scale
    direction = ahead
    dot = _dot(residual, ahead)
    # the squared norm of the residual under the preconditioner falls with the square of the accuracy
    goal = accuracy**2 * dot
    for _ in range(ITERATIONS):
        if (dot <= goal).all():
            break
        product = form.times(direction) + damping * form.diagonal * direction
        step = dot / _dot(direction, product).clamp_min(1e-300)
        x = x + step * direction
        residual = residual - step * product
        # directions are conjugate: each step leaves what earlier ones have solved
        ahead = residual / scale
        following = _dot(residual, ahead)
        direction = ahead + following / dot.clamp_min(1e-300) * direction
        dot = following
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((-2, -1), keepdim=True)


def draw(
    form: Quadratic, z: Float[Tensor, "mode parameter"], count: int, seed: int
) -> Float[Tensor, "sample mode parameter"]:
    """Samples of the Gaussian that the cost is around its minimum ``z``.

    Perturb and solve (Papandreou and Yuille 2010, "Gaussian sampling by local perturbations"): no inverse is formed.
    """
    generator = torch.Generator().manual_seed(seed)
    # a square root of each frame's matrix: noise through it has the matrix as its covariance
    values, vectors = torch.linalg.eigh(form.hessian)
    root = vectors * values.clamp_min(0).sqrt()[:, None]
    frames, parameters = form.hessian.shape[:2]
    noise = torch.randn(count, frames, parameters, generator=generator, dtype=z.dtype)
    prior = torch.randn(count, *z.shape, generator=generator, dtype=z.dtype)
    # the right side has covariance A = I + B^T H B, the whole matrix; A^-1 of it then has that of the Gaussian, A^-1
    right = prior + form.basis.T @ torch.einsum("fpq,sfq->sfp", root, noise)
    return z + solve(form, right, 0.0, ACCURATELY)
