"""Settings of ICAdapt."""

from dataclasses import dataclass
from typing import Literal

from engine.errors import ConfigError
from engine.settings.choices import Memory

FULL_RATE, LORA_RATE = 1e-5, 1e-4
"""Learning rates: of the paper's code, and the usual one for low-rank pairs, which start at zero."""


@dataclass(frozen=True)
class AdaptSettings:
    """What is adapted and how; the defaults are those of the paper's code but for the held-out clips."""

    kind: Literal["full", "lora"] = "full"
    """Train all spatial and image injection parameters, or low-rank pairs beside their matrices."""
    steps: int = 500
    """Steps of the optimiser."""
    batch: int = 4
    """Clips that pass through the network together."""
    accumulate: int = 2
    """Batches that make one step."""
    learning_rate: float = 0.0
    """0: :data:`FULL_RATE` or :data:`LORA_RATE`."""
    clip_norm: float = 0.5
    """Largest norm of all gradients together."""
    strides: tuple[int, ...] = (1, 2, 3)
    """Frames from one frame of a clip to the next: 30, 15 and 10 frames/s of a context at 30."""
    timesteps: tuple[int, ...] = ()
    """Noise levels to train at; empty: all, as in the paper. A sampler of one step meets one of them only."""
    drop: float = 0.05
    """Share of clips that lose only their text, only their image, or both: each of the three."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the network's activations; trained weights stay in single precision."""
    rank: int = 16
    """Of low-rank pairs."""
    memory: Memory = "auto"
    """``high``: keep all activations; ``auto``: compute those inside layers again; ``low``: also one clip at a time
    and untrained matrices in the working precision."""
    held_out: float = 0.02
    """Share of clips to measure on and not to train on (8 of the paper's 372); 0: none, as in the paper."""
    evaluate_every: int = 50
    """Steps between measurements of the held-out loss."""
    patience: int = 0
    """Stop when the held-out loss has not fallen for so many measurements; 0: never."""
    save_every: int = 100
    """Steps between checkpoints."""
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 1, "accumulate": 1, "rank": 1, "evaluate_every": 1, "save_every": 1}
        problems = [
            f"{name} must be {low} or more" for name, low in least.items() if getattr(self, name) < low
        ]
        if not self.strides or min(self.strides) < 1:
            problems.append("strides must be 1 or more")
        if not 0 <= self.held_out < 1 or not 0 <= self.drop <= 1 / 3:
            problems.append("held_out must be in [0, 1) and drop in [0, 1/3]")
        if problems:
            raise ConfigError("; ".join(problems) + ".")

    @property
    def rate(self) -> float:
        """The learning rate in use."""
        return self.learning_rate or (LORA_RATE if self.kind == "lora" else FULL_RATE)

    @property
    def micro_batch(self) -> int:
        """Clips in memory together; the step is the same, up to rounding and dropout."""
        return 1 if self.memory == "low" else self.batch
