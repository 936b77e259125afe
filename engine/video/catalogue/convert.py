"""DynamiCrafter's checkpoint, converted once to five safetensors files and a description, and loaded from these."""

import json
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import DataError, ResourceMissing
from engine.files.hashing import content_hash
from engine.files.tensors import check_hash, load_checkpoint, load_tensors, save_tensors
from engine.progress import Progress
from engine.video.catalogue.checkpoint_names import map_part, part_of
from engine.video.catalogue.model_cards import PREFIXES
from engine.video.network.model import VideoModel
from engine.video.network.shapes import ModelShape, model_shape
from usd_io.errors import counted
from usd_io.files import put_in_place

DESCRIPTION = "model.json"


def convert_checkpoint(
    source: Path,
    folder: Path,
    *,
    progress: Progress,
    shape: ModelShape | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Convert a checkpoint; the result counts when its description is there, which comes last.

    Args:
        source: ``model.ckpt`` of DynamiCrafter_512_interp, or the same tensors as safetensors.
        folder: Where the result goes; the checkpoint may lie there, too, and stays.
        progress: Reports each of the five networks.
        shape: Of the networks; by default the released ones.
        dtype: Of the result but for the autoencoder, such as ``torch.float16`` to halve it; by default as it is.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is damaged or unsafe, or holds other networks.
    """
    from engine.video.network.networks import build_networks

    shape = shape or ModelShape()
    state = load_checkpoint(source)
    with torch.device("meta"):
        networks = build_networks(shape)
    part = folder.with_name(folder.name + ".part")
    rmtree(part, ignore_errors=True)
    hashes: dict[str, str] = {}
    for i, (name, network) in enumerate(networks.items()):
        tensors = _mapped(name, part_of(state, name), network, shape)
        if dtype is not None and name != "vae":
            tensors = {k: v.to(dtype) for k, v in tensors.items()}
        save_tensors(part / f"{name}.safetensors", tensors, {})
        hashes[name] = content_hash(part / f"{name}.safetensors")
        progress.step(i + 1, len(networks))
    description = {
        "shape": shape.to_dict(),
        "parts": hashes,
        "source": {"name": source.name, "sha256": content_hash(source)},
    }
    (part / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for name in (*(f"{n}.safetensors" for n in networks), DESCRIPTION):
        put_in_place(part / name, folder / name)
    part.rmdir()


def _mapped(
    part: str, state: Mapping[str, Tensor], network: nn.Module, shape: ModelShape
) -> dict[str, Tensor]:
    """Tensors of one network under its own names, checked to be all and only those it has."""
    layers = shape.text.layers if part == "text" else shape.unet.layers
    try:
        tensors = map_part(part, state, layers=layers)
    except (KeyError, ValueError) as error:
        raise DataError(f"the checkpoint lacks {PREFIXES[part]}{error} of the {part} network.") from error
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if wrong := sorted(set(found.items()) ^ set(expected.items())):
        raise DataError(
            f"the checkpoint's {part} network is another one in {counted(len(wrong), 'tensor')}, the "
            f"first is {wrong[0][0]}."
        )
    return tensors


def load_model(folder: Path, *, check: bool = False) -> VideoModel:
    """Load a converted model, in the precision it is stored in.

    Args:
        folder: Made by :func:`convert_checkpoint`.
        check: Whether to compare the files' hashes first, which reads them once more.

    Raises:
        ResourceMissing: A file is not there.
        DataError: A file is damaged or another one.
    """
    from engine.video.network.networks import build_networks

    description = read_description(folder)
    shape = model_shape(description["shape"])
    with torch.device("meta"):
        networks = build_networks(shape)
    for name, network in networks.items():
        path = folder / f"{name}.safetensors"
        if check:
            check_hash(path, description["parts"][name])
        try:
            network.load_state_dict(load_tensors(path), strict=True, assign=True)
        except RuntimeError as error:
            raise DataError(f"{path} holds another network: {error}.") from error
        _fill_positions(network)
        network.eval().requires_grad_(False)
    source = {"name": description["source"]["name"], "parts": description["parts"]}
    return VideoModel(shape, **networks, source=source)  # type: ignore[arg-type]


def read_description(folder: Path) -> dict[str, Any]:
    """The description of a converted model.

    Raises:
        ResourceMissing: There is none.
        DataError: It cannot be read.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ResourceMissing(f"{folder} holds no converted model; run 'anymole models convert'.")
    try:
        description: dict[str, Any] = json.loads(path.read_text())
        model_shape(description["shape"])
        assert set(description["parts"]) == set(PREFIXES)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return description


def _fill_positions(network: nn.Module) -> None:
    """The one kind of buffer that no file holds: CLIP's position numbers."""
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                assert name == "position_ids", name
                module.register_buffer(name, torch.arange(buffer.shape[-1])[None], persistent=False)
