"""Memory of the released models as it is computed, against networks of their configurations without content."""

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel, WanVACETransformer3DModel

from engine.settings.choices import CONTROLLED
from engine.video.catalogue.memory_table import BYTES, GGUF_BITS, SIZES, memory_need, memory_table
from engine.video.catalogue.models import card

WAN = {"attention_head_dim": 128, "vace_in_channels": 96}
SMALL = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "vace_layers": list(range(0, 30, 2))}
LARGE = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "vace_layers": list(range(0, 40, 5))}


@pytest.mark.parametrize(("name", "config"), [("wan-vace", SMALL), ("wan-vace-14b", LARGE)])
def test_parameters_of_the_networks_are_those_of_their_configuration(
    name: str, config: dict[str, object]
) -> None:
    with torch.device("meta"):
        network = WanVACETransformer3DModel(**WAN, **config)
    size = SIZES[name]
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(size.denoiser, rel=2e-3)
    assert (len(config["vace_layers"]), config["ffn_dim"]) == (size.hints, size.inner)  # type: ignore[arg-type]
    assert config["num_attention_heads"] * 128 == size.width  # type: ignore[operator]


def test_parameters_of_ltx_are_those_of_its_configuration() -> None:
    with torch.device("meta"):
        network = LTXVideoTransformer3DModel()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(SIZES["ltx"].denoiser, rel=2e-3)


def test_parameters_of_ltx2_are_those_of_its_configuration() -> None:
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
    from diffusers.pipelines.ltx2 import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    size = SIZES["ltx2"]
    with torch.device("meta"):
        network = LTX2VideoTransformer3DModel()
        beside = [kind() for kind in (LTX2TextConnectors, AutoencoderKLLTX2Audio, LTX2Vocoder)]
        autoencoder = AutoencoderKLLTX2Video()
    for parts, parameters in (
        ([network], size.denoiser),
        (beside, size.beside),
        ([autoencoder], size.autoencoder),
    ):
        assert sum(p.numel() for part in parts for p in part.parameters()) == pytest.approx(
            parameters, rel=2e-3
        )
    assert len(network.transformer_blocks) == size.blocks
    assert network.transformer_blocks[0].ff.net[2].weight.shape == (size.width, size.inner)


def test_fewer_bytes_and_smaller_pictures_need_less() -> None:
    for model, size in SIZES.items():
        needs = [memory_need(model, kind, 320, 512) for kind in ("single", "half", "int8")]
        assert needs[0].card_gb > needs[1].card_gb > needs[2].card_gb
        saved = needs[1].weights_gb - needs[2].weights_gb
        assert saved == pytest.approx(size.denoiser * size.networks / 1e9)
        assert memory_need(model, "half", 480, 832).peak_gb > needs[1].peak_gb
        with_text = memory_need(model, "half", 320, 512, text_encoder=True)
        assert with_text.weights_gb - needs[1].weights_gb == pytest.approx(2 * size.text / 1e9)
    assert len(memory_table(320, 512)) == len(SIZES) * (len(BYTES) + 1) + len(CONTROLLED) * len(GGUF_BITS)


def test_packed_and_waiting_weights_need_less() -> None:
    size = SIZES["wan-vace-14b"]
    half = memory_need("wan-vace-14b", "half", 320, 512)
    packed = memory_need("wan-vace-14b", "half", 320, 512, packed_bits=4.5 * size.denoiser)
    waiting = memory_need("wan-vace-14b", "half", 320, 512, waiting=True)
    both = memory_need("wan-vace-14b", "half", 320, 512, packed_bits=4.5 * size.denoiser, waiting=True)
    assert half.weights_gb - packed.weights_gb == pytest.approx((2 - 4.5 / 8) * size.denoiser / 1e9)
    assert half.weights_gb - waiting.weights_gb == pytest.approx(2 * size.denoiser * 47 / 48 / 1e9)
    assert both.card_gb < waiting.card_gb < packed.card_gb < half.card_gb
    assert [need.weights for need in (half, packed, waiting)] == ["half", "GGUF", "half, lowest"]


def test_cards_say_what_the_table_computes_and_no_model_is_adapted_in_less() -> None:
    for model in SIZES:
        found = card(model)
        need = memory_need(model, "half", 320, 512).card_gb
        assert need <= found.memory_generate_gb < need + 1
        assert found.memory_adapt_gb > found.memory_generate_gb
