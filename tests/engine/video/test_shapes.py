"""Sizes of the released network, counted on the meta device."""

import json

import torch

from engine.video.adaptation.trainable import FROZEN, trained_parameters
from engine.video.catalogue.checkpoint_names import map_unet
from engine.video.network import shapes
from engine.video.network.model import build_model
from engine.video.network.networks import count_parameters
from engine.video.network.shapes import TINY, ModelShape, UNetShape, model_shape
from engine.video.network.unet import DynamiCrafterUNet
from tests.parity import facts

UNET, UNET_TRAINED, RESAMPLER = 1_438_854_980, 889_430_724, 48_787_456
"""Counted on upstream's own classes."""


def full_names() -> dict[str, tuple[int, ...]]:
    """Names of the released UNet: those of the recorded small one, whose blocks are as many."""
    config = facts("records")["unet_config"]
    assert (len(config["channel_mult"]), config["num_res_blocks"]) == (4, 2)
    return facts("records")["unet_shapes"]


def test_full_unet_has_every_name_of_the_checkpoint() -> None:
    with torch.device("meta"):
        own = DynamiCrafterUNet(UNetShape()).state_dict()
        mapped = map_unet({name: torch.empty(shape) for name, shape in full_names().items()})
    assert len(own) == 1516
    assert set(own) == set(mapped)
    for (
        name,
        value,
    ) in own.items():  # of the same kind: as many axes, the same kernels, no narrower than recorded
        small = mapped[name].shape
        assert value.shape[2:] == small[2:], name
        assert value.ndim == len(small), name
        assert all(a >= b for a, b in zip(value.shape, small, strict=True)), name


def test_full_model_has_the_released_number_of_parameters() -> None:
    counts = count_parameters(ModelShape())
    assert counts["unet"] == UNET
    assert counts["resampler"] == RESAMPLER
    assert counts["vae"] == 83_653_863


def test_adaptation_trains_the_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        model = build_model(ModelShape())
    counts = {"unet": 0, "resampler": 0}
    for name, parameter in trained_parameters(model):
        counts[name.partition(".")[0]] += parameter.numel()
    assert counts == {"unet": UNET_TRAINED, "resampler": RESAMPLER}


def test_temporal_layers_and_embeddings_are_frozen() -> None:
    assert FROZEN.search("down_blocks.0.temp_convs.1.conv1.0.weight")
    assert FROZEN.search("transformer_in.proj_in.weight")
    assert FROZEN.search("fps_embedding.linear_1.bias")
    assert not FROZEN.search("down_blocks.0.attentions.0.proj_in.weight")
    assert not FROZEN.search("down_blocks.0.resnets.0.time_emb_proj.weight")


def test_shape_survives_json() -> None:
    assert model_shape(json.loads(json.dumps(TINY.to_dict()))) == TINY


def test_released_shape_follows_from_upstream_configuration() -> None:
    small = facts("records")["unet_config"]
    full = {**small, "model_channels": 320, "num_head_channels": 64, "context_dim": 1024}
    assert shapes.unet_shape(full) == UNetShape()
