"""Prompts from small random image-text models."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    OPTConfig,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from engine.errors import DataError, ResourceMissing
from engine.video import caption as module
from engine.video.caption import caption, read_frames
from tests.engine.video.pipelines import WORDS, tokenizer

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def frames(context: Tensor) -> Tensor:
    return context[0]


def blip2() -> Blip2ForConditionalGeneration:
    torch.manual_seed(3)
    text = OPTConfig(
        vocab_size=len(WORDS), hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2,
        word_embed_proj_dim=16, max_position_embeddings=128, pad_token_id=0, bos_token_id=2, eos_token_id=1,
    )  # fmt: skip
    return Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=Blip2VisionConfig(**SMALL, image_size=28, patch_size=14).to_dict(),
            qformer_config=Blip2QFormerConfig(**SMALL, vocab_size=8, encoder_hidden_size=16).to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=4,
        )
    ).eval()


def save_blip2(folder: Path) -> None:
    blip2().save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def save_blip(folder: Path) -> None:
    torch.manual_seed(3)
    text = {
        **SMALL,
        "vocab_size": len(WORDS),
        "encoder_hidden_size": 16,
        "bos_token_id": 2,
        "sep_token_id": 1,
    }
    config = BlipConfig(
        text_config={**text, "pad_token_id": 0, "eos_token_id": 1, "projection_dim": 16},
        vision_config={**SMALL, "image_size": 28, "patch_size": 14},
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 28, "width": 28}), tokenizer()).save_pretrained(
        folder
    )


def save_llava(folder: Path) -> None:
    torch.manual_seed(3)
    words = tokenizer()
    words.add_tokens(["<image>"], special_tokens=True)
    text = LlamaConfig(**SMALL, vocab_size=len(words), pad_token_id=0, bos_token_id=2, eos_token_id=1)
    vision = CLIPVisionConfig(**SMALL, image_size=28, patch_size=14)
    image = words.convert_tokens_to_ids("<image>")
    LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_index=image)
    ).save_pretrained(folder)
    template = (
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image> {% else %}"
        "{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    size = {"height": 28, "width": 28}
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=size), words, patch_size=14,
        vision_feature_select_strategy="default", chat_template=template, num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip


@pytest.mark.parametrize("save", [save_blip2, save_blip, save_llava], ids=["blip-2", "blip", "llava"])
def test_any_image_text_model_describes_the_context(save: object, frames: Tensor, tmp_path: Path) -> None:
    assert callable(save)
    save(tmp_path)
    text = caption(frames, tmp_path)
    assert text == caption(frames, tmp_path)
    assert set(text.split()) <= {*WORDS, "<image>"}
    assert "\n" not in text


def test_blip2_reads_all_frames_together(frames: Tensor) -> None:
    model = blip2()
    seen: list[Tensor] = []
    model.qformer.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["encoder_hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        two = read_frames(model, frames[[0, 9]])
        one = read_frames(model, frames[[0]])
    assert two.shape == one.shape == (1, 4, 16)
    assert seen[0].shape == (1, 2 * (1 + 4), 16)
    torch.testing.assert_close(seen[0][:, :5], seen[1])
    assert not torch.allclose(two, one)


def test_eight_frames_are_spread_over_the_context(
    frames: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_blip2(tmp_path)
    given: list[Tensor] = []

    def note(model: object, chosen: Tensor) -> Tensor:
        given.append(chosen)
        return read_frames(model, chosen)

    monkeypatch.setattr(module, "read_frames", note)
    caption(frames, tmp_path)
    assert torch.equal(given[0], frames[[0, 2, 5, 7, 10, 12, 15, 17]])


def test_missing_unsafe_and_damaged_models_are_refused(frames: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ResourceMissing, match="captions"):
        caption(frames, tmp_path)
    save_blip2(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    with pytest.raises(DataError, match="should have"):
        caption(frames, tmp_path)
    torch.save({"a": torch.ones(2)}, weights)
    with pytest.raises(DataError, match="pickle"):
        caption(frames, tmp_path)
    weights.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ResourceMissing, match="can run code"):
        caption(frames, tmp_path)
    weights.write_bytes(whole)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match="cannot be used"):
        caption(frames, tmp_path)
