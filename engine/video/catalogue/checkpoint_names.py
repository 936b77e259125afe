"""Parameter names of DynamiCrafter's checkpoint, mapped to those of the diffusers and transformers classes.

Each map turns a whole state dict and is strict in effect: a name that no rule knows is kept, so that loading with
``strict=True`` reports it. Prefixes of the checkpoint's parts are in
:data:`engine.video.catalogue.model_cards.PREFIXES`.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from engine.video.catalogue.model_cards import PREFIXES

State = Mapping[str, Tensor]

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_UNET_STEMS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "fps_embedding.0": "fps_embedding.linear_1",
    "fps_embedding.2": "fps_embedding.linear_2",
    "framestride_embed.0": "fps_embedding.linear_1",  # as older checkpoints call it
    "framestride_embed.2": "fps_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_LISTS = ("resnets", "attentions", "temp_attentions")
_MIDDLE = ("resnets.0", "attentions.0", "temp_attentions.0", "resnets.1")


def unet_name(name: str, layers: int = 2) -> str:
    """Name of one parameter of the UNet.

    Args:
        name: Upstream's, without the part's prefix.
        layers: Residual blocks per resolution; a down block holds one entry more, an up block the same number.
    """
    stem, _, leaf = name.rpartition(".")
    if stem in _UNET_STEMS:
        return f"{_UNET_STEMS[stem]}.{leaf}"
    if stem.startswith("init_attn.0."):
        return "transformer_in." + name.removeprefix("init_attn.0.")
    if match := re.match(r"middle_block\.(\d+)\.(.+)", name):
        return _inside("mid_block", _MIDDLE[int(match[1])], match[2])
    if match := re.match(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)", name):
        down, index, entry, rest = match[1] == "input", int(match[2]), int(match[3]), match[4]
        level, place = divmod(index - 1 if down else index, layers + 1)
        block = f"{'down' if down else 'up'}_blocks.{level}"
        if rest.startswith(("op.", "conv.")):
            kind = "downsamplers" if down else "upsamplers"
            return f"{block}.{kind}.0.conv.{rest.split('.')[-1]}"
        return _inside(block, f"{_LISTS[entry]}.{place}", rest)
    return name


def _inside(block: str, entry: str, rest: str) -> str:
    """Names within a residual block or transformer; upstream spells ``temopral_conv`` so."""
    if rest.startswith("temopral_conv."):
        return f"{block}.temp_convs.{entry.split('.')[1]}.{rest.removeprefix('temopral_conv.')}"
    for old, new in _RESNET.items():
        if rest.startswith(old + "."):
            return f"{block}.{entry}.{new}{rest.removeprefix(old)}"
    return f"{block}.{entry}." + re.sub(r"attn2\.(to_[kv]_ip)", r"attn2.processor.\1", rest)


def map_unet(state: State, layers: int = 2) -> dict[str, Tensor]:
    """The UNet. Projections of temporal transformers are 1-wide convolutions upstream, linear here."""
    renamed = {unet_name(name, layers): value for name, value in state.items()}
    return {
        name: value.squeeze(-1) if re.search(r"proj_(in|out)\.weight$", name) and value.ndim == 3 else value
        for name, value in renamed.items()
    }


def map_vae(state: State) -> dict[str, Tensor]:
    """The autoencoder (``AutoencoderKL``). The decoder's levels count from the other end."""
    levels = 1 + max(int(m[1]) for name in state if (m := re.match(r"encoder\.down\.(\d+)\.", name)))
    attention = {
        "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"
    }  # fmt: skip

    def rename(name: str) -> str:
        name = re.sub(r"down\.(\d+)\.block\.(\d+)", r"down_blocks.\1.resnets.\2", name)
        name = re.sub(r"down\.(\d+)\.downsample", r"down_blocks.\1.downsamplers.0", name)
        name = re.sub(
            r"up\.(\d+)\.upsample", lambda m: f"up_blocks.{levels - 1 - int(m[1])}.upsamplers.0", name
        )
        name = re.sub(
            r"up\.(\d+)\.block\.(\d+)", lambda m: f"up_blocks.{levels - 1 - int(m[1])}.resnets.{m[2]}", name
        )
        name = re.sub(r"mid\.block_(\d)", lambda m: f"mid_block.resnets.{int(m[1]) - 1}", name)
        name = re.sub(r"mid\.attn_1\.(\w+)\.", lambda m: f"mid_block.attentions.0.{attention[m[1]]}.", name)
        return name.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")

    renamed = {rename(name): value for name, value in state.items() if not name.startswith("loss.")}
    return {
        name: value.flatten(1) if ".attentions." in name and value.ndim == 4 else value
        for name, value in renamed.items()
    }


_RESAMPLER = (
    (r"layers\.(\d+)\.0\.norm1\.", r"layers.\1.ln0."),
    (r"layers\.(\d+)\.0\.norm2\.", r"layers.\1.ln1."),
    (r"layers\.(\d+)\.0\.to_q\.", r"layers.\1.attn.to_q."),
    (r"layers\.(\d+)\.0\.to_out\.", r"layers.\1.attn.to_out.0."),
    (r"layers\.(\d+)\.1\.0\.", r"layers.\1.ff.0."),
    (r"layers\.(\d+)\.1\.1\.", r"layers.\1.ff.1.net.0.proj."),
    (r"layers\.(\d+)\.1\.3\.", r"layers.\1.ff.1.net.2."),
)


def map_resampler(state: State) -> dict[str, Tensor]:
    """The image projector (``IPAdapterPlusImageProjection``); keys and values are one matrix upstream."""
    mapped: dict[str, Tensor] = {}
    for name, value in state.items():
        if match := re.match(r"layers\.(\d+)\.0\.to_kv\.weight", name):
            key, val = value.chunk(2)
            mapped |= {f"layers.{match[1]}.attn.to_{k}.weight": v for k, v in (("k", key), ("v", val))}
            continue
        for old, new in _RESAMPLER:
            name = re.sub(old, new, name)
        mapped[name] = value
    return mapped


def _map_clip_blocks(state: State, prefix: str) -> dict[str, Tensor]:
    """Blocks of an OpenCLIP transformer under ``prefix`` as those of a transformers CLIP encoder."""
    names = {"attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2"}
    names |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    mapped: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith(prefix):
            continue
        index, _, rest = name.removeprefix(prefix).partition(".")
        stem, _, leaf = rest.rpartition(".")
        if leaf.startswith("in_proj_"):
            for part, chunk in zip("qkv", value.chunk(3), strict=True):
                mapped[f"encoder.layers.{index}.self_attn.{part}_proj.{leaf[8:]}"] = chunk
        else:
            mapped[f"encoder.layers.{index}.{names[stem]}.{leaf}"] = value
    return mapped


def map_clip_text(state: State, layers: int) -> dict[str, Tensor]:
    """The text tower (``CLIPTextModel``) with its first ``layers`` blocks; the projection is not used."""
    mapped = _map_clip_blocks(state, "transformer.resblocks.")
    mapped = {k: v for k, v in mapped.items() if int(k.split(".")[2]) < layers}
    mapped["embeddings.token_embedding.weight"] = state["token_embedding.weight"]
    mapped["embeddings.position_embedding.weight"] = state["positional_embedding"]
    mapped |= {f"final_layer_norm.{leaf}": state[f"ln_final.{leaf}"] for leaf in ("weight", "bias")}
    return mapped


def map_clip_image(state: State) -> dict[str, Tensor]:
    """The vision tower (``CLIPVisionModel``); the projection is not used."""
    mapped = _map_clip_blocks(state, "visual.transformer.resblocks.")
    mapped["embeddings.class_embedding"] = state["visual.class_embedding"]
    mapped["embeddings.position_embedding.weight"] = state["visual.positional_embedding"]
    mapped["embeddings.patch_embedding.weight"] = state["visual.conv1.weight"]
    for old, new in (("visual.ln_pre", "pre_layrnorm"), ("visual.ln_post", "post_layernorm")):
        mapped |= {f"{new}.{leaf}": state[f"{old}.{leaf}"] for leaf in ("weight", "bias")}
    return mapped


def part_of(state: State, part: str) -> dict[str, Tensor]:
    """The tensors of one part of a whole checkpoint, without its prefix."""
    prefix = PREFIXES[part]
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def map_part(part: str, state: State, *, layers: int) -> dict[str, Tensor]:
    """Map any part; ``layers`` counts the UNet's residual blocks or the text tower's blocks."""
    match part:
        case "unet":
            return map_unet(state, layers)
        case "resampler":
            return map_resampler(state)
        case "vae":
            return map_vae(state)
        case "text":
            return map_clip_text(state, layers)
        case "image":
            return map_clip_image(state)
    raise AssertionError(part)
