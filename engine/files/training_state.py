"""The state of a training in one file: what is trained, its optimiser, and plain values beside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.files.json_values import as_json
from engine.files.tensors import load_meta, load_tensors, save_tensors

TRAINED = "trained."


def save_training(
    path: Path, values: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, meta: Mapping[str, Any]
) -> None:
    """Write a state, replacing what was there in one step."""
    tensors = {TRAINED + name: value for name, value in values.items()}
    save_tensors(path, tensors | optimiser_tensors(optimiser), meta)


@torch.no_grad()
def restore_training(
    path: Path, values: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, work: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Take up the state of the same work, if there is one.

    Args:
        path: Of the state; need not exist.
        values: What is trained; filled in place.
        optimiser: Of these values; filled as well.
        work: Plain values that decide the result, part of what was saved beside.

    Returns:
        What was saved beside; None, and nothing is changed, where there is no state of this work.

    Raises:
        DataError: The file is damaged.
    """
    if not path.is_file():
        return None
    meta = load_meta(path)
    if {name: meta.get(name) for name in work} != as_json(work):
        return None
    tensors = load_tensors(path)
    for name, value in values.items():
        value.copy_(tensors[TRAINED + name])
    restore_optimiser(optimiser, tensors)
    return meta


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimiser as a flat mapping."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimiser_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
