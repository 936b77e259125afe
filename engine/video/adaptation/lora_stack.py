"""Low-rank pairs of others, stacked on our own: a LoRA for few steps beneath what the context taught.

Ours are trained on the network as it was released, for that is what most steps were learnt with; both are added to its
weights, W + B A + (alpha / r) B' A', in single precision and rounded once. Names are those of Wan's own repository
(``diffusion_model.blocks.0.self_attn.q.lora_down.weight``) or of diffusers and peft (``transformer.blocks.0.attn1.
to_q.lora_A.weight``); what a name means follows diffusers' ``loaders/lora_conversion_utils.py``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import ConfigError, DataError
from engine.files.tensors import check_hash, check_safetensors, load_tensors
from engine.settings.pinned_file import FEW_STEP_LORA, PinnedFile, PinnedKind
from engine.video.adaptation.lora import DOWN, UP, low_rank
from engine.video.catalogue.fetch import known_hash
from engine.video.catalogue.ready import pinned_file
from usd_io.errors import shown

Change = Callable[[], Tensor]
"""What is added to a parameter; made when it is needed, for all together are as large as the network."""
Changes = Mapping[str, Change]
"""Changes by the names of their parameters."""

_PREFIXES = ("diffusion_model.", "transformer.", "base_model.model.")
_KINDS = {
    "lora_down.weight": "down",
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora_up.weight": "up",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora_B.bias": "bias",
    "alpha": "alpha",
    "diff": "weight",
    "diff_b": "bias",
    "diff_m": "modulation",
}
_LAYERS = (
    (r"self_attn\.(norm_)?([qk])", r"attn1.\1\2"),
    (r"cross_attn\.(norm_)?([qk])", r"attn2.\1\2"),
    (r"self_attn\.v", r"attn1.v"),
    (r"cross_attn\.v", r"attn2.v"),
    (r"self_attn\.o", r"attn1.to_out.0"),
    (r"cross_attn\.o", r"attn2.to_out.0"),
    (r"(attn[12])\.([qkv])$", r"\1.to_\2"),
    (r"(blocks\.\d+)\.norm3", r"\1.norm2"),
    (r"(blocks\.\d+\.ffn)\.0$", r"\1.net.0.proj"),
    (r"(blocks\.\d+\.ffn)\.2$", r"\1.net.2"),
    (r"^head\.head", "proj_out"),
    (r"^head$", ""),
    (r"^time_projection\.1", "condition_embedder.time_proj"),
    (r"^time_embedding\.0", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2", "condition_embedder.time_embedder.linear_2"),
    (r"^text_embedding\.0", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2", "condition_embedder.text_embedder.linear_2"),
)
"""Layers of Wan's own network as diffusers calls them, in turn."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """The change scale * up @ down of a matrix."""

    up: Tensor
    down: Tensor
    scale: float

    def __call__(self) -> Tensor:
        """The whole matrix, in single precision."""
        return self.scale * (self.up.float() @ self.down.float())


def require_pinned(texts: Iterable[str], kind: PinnedKind) -> tuple[PinnedFile, ...]:
    """The files of a setting, there and with the hash that they must have.

    Args:
        texts: ``FILE`` or ``FILE@SHA256`` each.
        kind: What they are; only safetensors are looked into.

    Raises:
        ConfigError: No hash is known of a file, or it is a folder, a pipe or the like.
        ResourceMissing: There is no such file.
        DataError: It is another file, or none of the format.
    """
    found = []
    for text in texts:
        file = pinned_file(text, kind)
        sha256 = file.sha256 or known_hash(file.path)
        if not sha256:
            raise ConfigError(
                f"no SHA-256 is known of the {kind.what} {shown(file.path)}; give it as FILE@SHA256, or run "
                "'sha256sum FILE > SHA256SUMS' in its folder once you trust it.",
                settings=(kind.setting,),
            )
        found.append(PinnedFile(file.path, sha256))
        check_pinned(found[-1])
        if kind is FEW_STEP_LORA:
            check_safetensors(file.path)
    return tuple(found)


def check_pinned(file: PinnedFile) -> None:
    """Compare a file with its hash; of gigabytes, so once in a process as long as it does not change.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is another one than it should be.
    """
    check_hash(file.path, file.sha256, remembered=True)


def pairs_of(tensors: Mapping[str, Tensor]) -> Changes:
    """Our own trained pairs (:class:`engine.video.adaptation.lora.Lora`) as changes."""
    layers = [name.removesuffix(f".{UP}") for name in tensors if name.endswith(f".{UP}")]
    return {f"{n}.weight": LowRank(tensors[f"{n}.{UP}"], tensors[f"{n}.{DOWN}"], 1.0) for n in layers}


def read_changes(path: Path) -> Changes:
    """A LoRA of others as changes, by diffusers' names.

    Raises:
        ResourceMissing: There is no such file.
        DataError: It is no safetensors file, or holds something else than low-rank pairs.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in load_tensors(path).items():
        layer, kind = _split(name, path)
        parts.setdefault(layer, {})[kind] = value
    changes: dict[str, Change] = {}
    for layer, found in parts.items():
        if ("up" in found) != ("down" in found):
            raise DataError(f"{shown(path)} has one matrix of a pair at {shown(layer)}; fetch it again.")
        if "up" in found:
            up, down = found["up"], found["down"]
            if up.ndim != 2 or down.ndim != 2 or up.shape[1] != down.shape[0]:
                raise DataError(f"{shown(path)} has matrices at {shown(layer)} that are no pair.")
            scale = float(found["alpha"]) / len(down) if "alpha" in found else 1.0
            changes[f"{layer}.weight"] = LowRank(up, down, scale)
        changes |= {
            f"{layer}.{kind}": _same(found[kind])
            for kind in ("weight", "bias")
            if kind in found and found[kind].any()
        }
        if "modulation" in found and found["modulation"].any():
            changes[f"{layer}.scale_shift_table".lstrip(".")] = _same(found["modulation"])
    if not changes:
        raise DataError(f"{shown(path)} holds no low-rank pairs; give a LoRA.")
    return changes


@torch.no_grad()
def add_changes(network: nn.Module, stack: Iterable[tuple[Changes, str]]) -> None:
    """Add changes to a network's parameters, all of one parameter in single precision before it is rounded.

    A matrix that was read in quantised form stays as it is: the layer adds what its low-rank pairs give to its output.

    Args:
        network: To be changed.
        stack: Changes with where they come from, for messages.

    Raises:
        DataError: A change is of a parameter that the network lacks, or of another shape; or it is the change of a
            quantised matrix and no low-rank pair.
    """
    parameters = dict(network.named_parameters())
    wanted: dict[str, list[tuple[Change, str]]] = {}
    for changes, origin in stack:
        for name, change in changes.items():
            if name not in parameters:
                raise DataError(f"{origin} was made for another network: this one has no {shown(name)}.")
            wanted.setdefault(name, []).append((change, origin))
    for name, made in wanted.items():
        parameter = parameters[name]
        if getattr(parameter, "quant_type", None) is not None:  # bytes of a GGUF file, not numbers
            for change, origin in made:
                _add_beside(network.get_submodule(name.removesuffix(".weight")), change, origin)
            continue
        total = parameter.float()
        for change, origin in made:
            added = change().to(total.device)
            if added.shape != total.shape and added.numel() != total.numel():
                raise DataError(f"{origin} was made for another network; they differ in {shown(name)}.")
            total = total + added.reshape(total.shape)
        parameter.copy_(total)


def _add_beside(layer: nn.Module, change: Change, origin: str) -> None:
    """Have a layer add a low-rank pair to its output; the pair moves between devices with the layer."""
    if not isinstance(layer, nn.Linear) or not isinstance(change, LowRank):
        raise DataError(
            f"{origin} changes whole matrices, which a GGUF file's quantised ones cannot take; leave one of them out."
        )
    if change.up.shape[0] != layer.out_features or change.down.shape[1] != layer.in_features:
        raise DataError(f"{origin} was made for another network; they differ in the size of a layer.")
    number = sum(name.startswith("_down") for name, _ in layer.named_buffers(recurse=False))
    layer.register_buffer(f"_down{number}", change.down.float(), persistent=False)
    layer.register_buffer(f"_up{number}", change.scale * change.up.float(), persistent=False)

    def add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        down, up = layer.get_buffer(f"_down{number}"), layer.get_buffer(f"_up{number}")
        return output + low_rank(inputs[0], down, up).to(output)

    layer.register_forward_hook(add)


def _same(value: Tensor) -> Change:
    return lambda: value.float()


def _split(name: str, path: Path) -> tuple[str, str]:
    """The layer by diffusers' name and what of it a tensor is."""
    for ending in _KINDS:
        if name.endswith(f".{ending}"):
            layer, kind = name.removesuffix(f".{ending}"), _KINDS[ending]
            break
    else:
        raise DataError(f"{shown(path)} holds {shown(name)}, which is no part of a LoRA; give another file.")
    for prefix in _PREFIXES:
        layer = layer.removeprefix(prefix)
    for pattern, replacement in _LAYERS:
        layer = re.sub(pattern, replacement, layer)
    return layer, kind
