"""What the network is given: skeletons, and poses around gaps as padded batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from engine.priors.learned import layout
from usd_io.shapes import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Rig:
    """How the joints of a skeleton hang together."""

    parents: Int[np.ndarray, " joint"]
    depth: Int[np.ndarray, " joint"]
    subtree: Int[np.ndarray, " joint"]
    """Joints below and including each."""


@dataclass(frozen=True, eq=False)
class Poses:
    """Local poses of several gaps at the times of :mod:`engine.priors.learned.layout`, padded to one joint count."""

    rotations: Float[Tensor, "batch time joint 4"]
    """Known or straight between known, w x y z, at :data:`layout.TIMES`."""
    translations: Float[Tensor, "batch time joint 3"]
    parents: Int[Tensor, "batch joint"]
    """-1 for roots and padding."""
    present: Bool[Tensor, "batch joint"]
    depth: Int[Tensor, "batch joint"]
    subtree: Int[Tensor, "batch joint"]
    states: Int[Tensor, "batch outside"]
    seconds: Float[Tensor, " batch"]
    """Length of each gap [s]."""

    def at(self, some: slice) -> "Poses":
        """Some of the gaps."""
        return Poses(**{name: value[some] for name, value in vars(self).items()})


def make_rig(parents: Sequence[int] | Int[np.ndarray, " joint"]) -> Rig:
    """Depths and subtree sizes of a skeleton whose parents come first."""
    parent = np.asarray(parents, int)
    return Rig(parent, *layout.places_in_tree(parent))
