"""Presets of what a video is made with: model, steps, precision and size. Importing this takes no time.

A setting that is given wins over the preset; what the preset leaves open is the model's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.settings.choices import PrecisionName, QualityName


@dataclass(frozen=True)
class VideoChoice:
    """What a video is made with, presets and settings together."""

    model: str
    """One of ours, or that of an installed package."""
    steps: int = 0
    """Of sampling; 0: the model's own number, or that of its few-step LoRA."""
    precision: PrecisionName = "auto"
    size: tuple[int, int] = (0, 0)
    """Height and width [pixels]; 0: the model's own."""


QUALITIES: Mapping[QualityName, VideoChoice] = {
    "preview": VideoChoice("wan-vace", steps=20, precision="half", size=(256, 416)),
    "standard": VideoChoice("dynamicrafter"),
    "best": VideoChoice("wan-vace-14b", precision="half", size=(480, 832)),
}
"""Sizes are multiples of 16 that differ from those of the models' training by at most their aspect."""


def choose_video(
    quality: QualityName,
    *,
    model: str,
    steps: int,
    precision: PrecisionName,
    size: tuple[int, int],
    few_steps: bool,
) -> VideoChoice:
    """A preset with the settings that are given in its place.

    Args:
        quality: Name of the preset.
        model: ``auto``: the preset's.
        steps: 0: the preset's.
        precision: ``auto``: the preset's, which is made for its model: another model has its own.
        size: 0 x 0: the preset's, with the same reserve.
        few_steps: Whether a LoRA for few steps is given: then its number of steps stands in place of the preset's.
    """
    preset = QUALITIES[quality]
    own = model in ("auto", preset.model)
    if not own:
        preset = VideoChoice(model, steps=preset.steps)
    return VideoChoice(
        preset.model,
        steps=steps or (0 if few_steps else preset.steps),
        precision=preset.precision if precision == "auto" else precision,
        size=size if any(size) else preset.size,
    )
