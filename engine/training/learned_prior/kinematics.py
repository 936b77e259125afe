"""The rotations and kinematics that the learned prior uses, which are those of :mod:`engine.geometry`."""

from engine.geometry.rotations_torch import (
    Quaternions,
    Vectors,
    conjugate,
    exp,
    log,
    multiply,
    rotate,
    slerp,
)
from engine.geometry.skeleton_torch import forward

__all__ = ["Quaternions", "Vectors", "conjugate", "exp", "forward", "log", "multiply", "rotate", "slerp"]
