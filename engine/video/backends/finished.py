"""Frames that finished calls have made, kept so that a stopped run goes on from there."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.video.backends.calls import Call

STATE = "calls.safetensors"
"""Finished frames, in the checkpoint folder."""


def fill(call: Call, images: Mapping[float, Tensor]) -> Float[Tensor, "frame 3 height width"]:
    """Pictures of a call: known ones, and grey."""
    grey = torch.full_like(next(iter(images.values())), 0.5)
    return torch.stack([grey if p.source is None else images[p.source] for p in call.places])


def keep(
    folder: Path | None, mark: str, made: Mapping[float, UInt8[Tensor, "3 height width"]], finished: int
) -> None:
    """Write the frames that ``finished`` calls have made; without a folder nothing is kept."""
    if folder is None:
        return
    times = sorted(made)
    meta = {"fingerprint": mark, "times": times, "finished": finished}
    save_tensors(folder / STATE, {"frames": torch.stack([made[t] for t in times])}, meta)


def restore(folder: Path | None, mark: str) -> tuple[dict[float, Tensor], int]:
    """Finished frames as bytes, and how many calls made them."""
    if folder is None or not (folder / STATE).is_file():
        return {}, 0
    meta = load_meta(folder / STATE)
    if meta.get("fingerprint") != mark:
        return {}, 0
    return dict(zip(meta["times"], load_tensors(folder / STATE)["frames"], strict=True)), int(
        meta["finished"]
    )
