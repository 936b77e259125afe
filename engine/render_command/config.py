"""Settings of ``render``, and how their text is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np

from engine.errors import ConfigError
from engine.rendering.framing import ELEVATION_DEG, VIEWS
from engine.rendering.mesh.surface import Appearance
from engine.rendering.renderers import RendererName
from engine.rendering.threads import DEFAULT_THREADS

LARGEST_SIDE = 8192


@dataclass(frozen=True)
class RenderConfig:
    """What to draw and how. Times are time codes of the stage."""

    stage: str
    out: str
    """Folder for the pictures."""
    skeletons: tuple[str, ...] = ()
    """Prim paths; empty: all."""
    times: tuple[float, ...] = ()
    """Empty: every frame of the authored motion."""
    views: Mapping[str, float] = field(default_factory=lambda: dict(VIEWS))
    """Azimuths [degrees] by name."""
    elevation_deg: float = ELEVATION_DEG
    camera: str = ""
    """Prim path of a camera of the stage; it takes the place of the views."""
    height: int = 320
    width: int = 512
    appearance: Appearance = "textured"
    renderer: RendererName = "auto"
    ground: bool = True
    video: bool = False
    sheet: bool = False
    threads: int = DEFAULT_THREADS
    """Threads of torch; 0: as many as it likes."""

    def __post_init__(self) -> None:
        problems = []
        if not (1 <= self.height <= LARGEST_SIDE and 1 <= self.width <= LARGEST_SIDE):
            problems.append(f"--size {self.height}x{self.width} is out of range; choose up to {LARGEST_SIDE}")
        if not abs(self.elevation_deg) < 90:
            problems.append(
                f"--elevation {self.elevation_deg:g} is out of range; choose between -90 and 90 degrees"
            )
        if not np.isfinite(self.times).all():
            problems.append("--times takes finite time codes")
        if problems:
            raise ConfigError("; ".join(problems) + ".")


def chosen(option: str, text: str, choices: Any) -> Any:
    """The text of an option that takes one of the values of a ``Literal``."""
    if text not in get_args(choices):
        raise ConfigError(f"{option} {text!r} is unknown; choose {', '.join(get_args(choices))}.")
    return text


def with_size(config: RenderConfig, text: str) -> RenderConfig:
    """``320x512``: height x width."""
    height, separator, width = text.lower().partition("x")
    if not separator or not height.strip().isdigit() or not width.strip().isdigit():
        raise ConfigError(f"--size {text!r} is no size; give HEIGHTxWIDTH, for example 320x512.")
    return replace(config, height=int(height), width=int(width))
