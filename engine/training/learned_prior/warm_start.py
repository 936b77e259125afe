"""Begin training from weights of an earlier run, or of an earlier format."""

from collections.abc import Mapping

import torch
from torch import Tensor


def put_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put weights into a network that may have more: further blocks start as the identity, further inputs unseen.

    Weights of the first format (states of the poses beside every joint's own numbers) are taken apart.
    """
    own = module.state_dict()
    given = {name: value.float() for name, value in tensors.items()}
    if "embed_shot.weight" not in given:
        given |= _from_first_format(given, own)
    for name, value in own.items():
        if name in given:
            value.copy_(given[name])
        elif name.startswith("blocks.") and (".project." in name or ".out." in name):
            value.zero_()
    module.load_state_dict(own)


def _from_first_format(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first layer's columns where they are now: of its 113 numbers, those of the whole shot go to its own layer."""
    old, joint, shot = given["embed.weight"], own["embed.weight"] * 0, own["embed_shot.weight"] * 0
    numbers = old.shape[1] - 113
    joint[:, :numbers] = old[:, :numbers]
    of_joint, of_shot = (0, 2, 5, 6, 7, 8, 9, 10), (1, 3, 4, 11, 12)
    for place, column in enumerate(of_joint):
        joint[:, numbers + place] = old[:, numbers + column]
    flags = shot.shape[1] - 3 * 50
    for place, column in enumerate(of_shot):
        shot[:, flags - len(of_shot) + place] = old[:, numbers + column]
    shot[:, flags : flags + 100] = old[:, numbers + 13 :]
    return {"embed.weight": joint, "embed_shot.weight": shot}
