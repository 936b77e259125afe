"""What a user may ask of any video model; importing this takes no time."""

from dataclasses import dataclass

from engine.errors import ConfigError
from engine.settings.choices import AdaptMode
from engine.settings.pinned_file import PinnedFile


@dataclass(frozen=True)
class AdaptOptions:
    """How a model is adapted to the context."""

    mode: AdaptMode = "auto"
    steps: int = 0
    """Steps of the optimiser; 0: the model's own number."""
    seed: int = 0


@dataclass(frozen=True)
class GenerateOptions:
    """How frames are generated."""

    steps: int = 0
    """Denoising steps; 0: the model's own number."""
    guidance: float = 0.0
    """Weight of the prompt (classifier-free guidance), 1: none; 0: the model's own."""
    seed: int = 0
    control_strength: float = 1.0
    """How much of the control is left when it is mixed with grey, 0 to 1; 0: all grey."""
    control_scale: float = 1.0
    """Weight of the branch that takes in known frames and control."""
    few_step_lora: tuple[PinnedFile, ...] = ()
    """With which the model needs few steps, stacked on what it has learnt; of two networks one for each, or one for
    both."""

    def __post_init__(self) -> None:
        if self.steps < 0 or not 0 <= self.guidance < 1000:
            raise ConfigError(
                f"{self.steps} steps with a guidance of {self.guidance:g} cannot be sampled; "
                "choose 1 step or more and a guidance from 1 to 15 (0: the model's own).",
                settings=("steps", "guidance"),
            )
