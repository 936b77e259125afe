"""Checkpoints and shipped weights: one safetensors file each, with JSON in its metadata, and trainings that begin from
them. No pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import DataError, ResourceMissing
from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.priors.learned.weights import Network
from engine.training.learned_prior.network import Shape, TorchNetwork
from usd_io.errors import shown


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON, replacing what was there in one step."""
    save_tensors(path, tensors, meta)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON of a file written by :func:`save`."""
    return load_tensors(path), load_meta(path)


def save_weights(path: Path, network: TorchNetwork, shape: Shape, meta: Mapping[str, Any]) -> None:
    """Weights for shipping, in half precision."""
    half = {name: value.half() for name, value in network.state_dict().items()}
    save(path, half, {**meta, "shape": asdict(shape)})


def average_weights(paths: Sequence[Path], out: Path) -> None:
    """Write the mean of the shipped weights of trainings that began from one another: between the two ends of a further
    training the network is better than at either. Wortsman et al. 2022, "Model soups".

    Raises:
        DataError: A file is missing, damaged, or of another network.
    """
    networks, metas = zip(*(load_weights(path) for path in paths), strict=True)
    mean = networks[0]
    states = [network.state_dict() for network in networks]
    if any(network.shape != mean.shape for network in networks):
        raise DataError(f"{shown(paths[-1])}: the weights are of networks of different sizes; name others.")
    mean.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    save_weights(out, mean, mean.shape, {"averaged": [dict(meta) for meta in metas]})


def load_weights(path: Path) -> tuple[TorchNetwork, dict[str, Any]]:
    """The network of shipped weights, in single precision, ready to run.

    Raises:
        DataError: The file is missing, damaged, or of another network.
    """
    try:
        tensors, meta = load(path)
        network = TorchNetwork(Shape(**meta["shape"]))
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    except (OSError, DataError, ResourceMissing, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip().rstrip(".")
        raise DataError(_unusable(path, reason)) from error
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise DataError(_unusable(path, "they hold values that are not finite"))
    return network.eval(), meta


def _unusable(path: Path, reason: str) -> str:
    """The reason may name the file already."""
    where = "" if str(path) in reason else f"{shown(path)}: "
    return (
        f"the weights of the learned prior cannot be used: {where}{shown(reason)}; install anymole again, or choose "
        "another prior (context or spline)."
    )


def as_run(network: TorchNetwork, meta: Mapping[str, Any] | None = None) -> Network:
    """A network in training as a run has it, in numpy."""
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return Network(weights, network.shape.heads, dict(meta or {}))


def put_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Begin from weights of an earlier training, in a network that may have more: further blocks start as the
    identity, further inputs unseen.

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
