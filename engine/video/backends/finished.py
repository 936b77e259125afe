"""Frames that finished calls have made, kept so that a stopped run goes on from there."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.video.backends.calls import Call
from usd_io.shapes import Float, UInt8

STATE = "calls.safetensors"
"""Finished frames, in the checkpoint folder."""
GREY = 0.5
"""What such models were trained to see where nothing is known."""


def fill(
    call: Call, images: Mapping[float, Tensor], control: Mapping[float, Tensor], strength: float
) -> Float[Tensor, "frame 3 height width"]:
    """Pictures of a call: known ones; where frames are free the control mixed with grey, or grey alone."""
    grey = torch.full_like(next(iter(images.values())), GREY)
    shown = {time: GREY + strength * (frame - GREY) for time, frame in control.items()}
    return torch.stack(
        [shown.get(p.time, grey) if p.source is None else images[p.source] for p in call.places]
    )


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
