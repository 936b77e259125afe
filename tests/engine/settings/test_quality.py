"""Presets of a generated video, what a person sets in their place, and settings of videos that exclude each other."""

from typing import Any, get_args

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.runs.command_line import run_command
from engine.settings.choices import ModelName, QualityName
from engine.settings.quality import QUALITIES, VideoChoice


def choice(**given: Any) -> VideoChoice:
    return RunConfig("a.usda", **given).video_choice


def test_every_quality_has_a_preset_whose_size_its_model_can_make() -> None:
    assert set(QUALITIES) == set(get_args(QualityName))
    assert {preset.model for preset in QUALITIES.values()} < set(get_args(ModelName))
    for name, preset in QUALITIES.items():
        assert choice(quality=name) == preset
    assert choice() == VideoChoice("dynamicrafter")


def test_what_is_given_wins_over_the_preset() -> None:
    preset = QUALITIES["preview"]
    assert choice(quality="preview", steps=7).steps == 7
    assert choice(quality="preview", precision="single").precision == "single"
    assert choice(quality="preview", resolution=(128, 256)).size == (128, 256)
    assert choice(quality="preview", steps=7).size == preset.size
    # another model keeps the steps; size and precision are made for the preset's
    assert choice(quality="preview", model="tiny") == VideoChoice("tiny", steps=preset.steps)
    assert choice(quality="best", model="dynamicrafter") == VideoChoice("dynamicrafter")
    assert choice(quality="preview", model="wan-vace") == preset


def test_few_step_lora_has_its_own_number_of_steps() -> None:
    assert choice(quality="preview", few_step_lora=("a.safetensors",)).steps == 0
    assert choice(quality="preview", few_step_lora=("a.safetensors",), steps=6).steps == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": (320, 512)}, "dynamicrafter has one size"),
        ({"quality": "preview", "resolution": (100, 512)}, "multiples of 16"),
        ({"quality": "preview", "resolution": (0, 512)}, "multiples of 16"),
        ({"model": "ltx", "resolution": (48, 64)}, "multiples of 32"),
        ({"few_step_lora": ("a.safetensors",)}, "dynamicrafter takes no few-step LoRA"),
        ({"quality": "preview", "few_step_lora": ("a.pt",)}, "could run code"),
        ({"quality": "preview", "few_step_lora": ("a.safetensors",) * 2}, "takes 1 few-step LoRA, not 2"),
        ({"model": "wan22-vace-fun", "few_step_lora": ("a.safetensors",) * 3}, "takes 2 few-step LoRA"),
        ({"model": "tiny", "precision": "int8"}, "tiny is not quantised"),
        ({"control": "depth"}, "dynamicrafter takes no control"),
        ({"second_video": "b"}, "no first video"),
        ({"second_camera": "left"}, "no second video"),
        ({"video_fps": 24.0}, "no video for the frame rate"),
        ({"video_offset": -0.5}, "no video for the offset"),
        ({"video": "a", "second_video": "b"}, "camera of its own"),
        ({"video": "a", "second_video": "b", "second_camera": "front"}, "camera of its own"),
        (
            {"video": "a", "second_video": "b", "second_camera": "left", "solver": "paper"},
            "solver paper fits one video",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused_with_what_it_can(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig("a.usda", **given)


def test_command_that_is_copied_says_preset_and_what_is_given() -> None:
    pinned = f"few.safetensors@{'a' * 64}"
    config = RunConfig(
        "a.usda",
        quality="preview",
        few_step_lora=(pinned,),
        resolution=(128, 256),
        precision="half",
        control="depth",
    )
    assert run_command(config) == (
        f"anymole run a.usda --quality preview --few-step-lora {pinned} --precision half --resolution 128x256 "
        "--control depth"
    )
    assert (
        run_command(RunConfig("a.usda", model="dynamicrafter")) == "anymole run a.usda --model dynamicrafter"
    )
