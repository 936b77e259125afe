"""A video model for tests of what is around one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engine.files.video import Video
from engine.progress import Progress
from engine.video.options import GenerateOptions


@dataclass
class Fading:
    """A video model that mixes the pictures on both sides of a gap."""

    name: str = "tiny"
    height: int = 32
    width: int = 48
    drawn: str = "canonical"
    ground: bool = False
    rate: float = 6.0
    controls: tuple[str, ...] = ("depth", "pose", "grey")
    shown: list[tuple[float, Video]] = field(default_factory=list)
    """Strength and control, where there was one."""
    group: int = 1
    source: Mapping[str, Any] = field(default_factory=lambda: {"name": "fading"})
    asked: list[tuple[str, list[float]]] = field(default_factory=list)
    """What each stage was shown: times [time codes]."""

    def adapt(self, views: Mapping[str, Video], *args: Any, out: Path, **kwargs: Any) -> Path:
        self.asked.append(("adapt", _codes(next(iter(views.values())))))
        out.write_bytes(b"adapter")
        return out

    def generate(
        self,
        true: Video,
        gaps: Sequence[tuple[float, float]],
        prompt: str,
        options: GenerateOptions,
        *,
        control: Video | None = None,
        progress: Progress,
        **kwargs: Any,
    ) -> Video:
        self.asked.append(("generate", _codes(true)))
        if control is not None:
            self.shown.append((options.control_strength, control))
        times, frames = [], []
        for start, end in gaps:
            before, after = (true.frames[true.times.index(t)] for t in (start, end))
            for share in torch.linspace(0, 1, 1 + round((end - start) * self.rate)).tolist():
                if (time := start + share * (end - start)) not in times:
                    times.append(time)
                    frames.append(torch.lerp(before, after, share))
            progress.step(len(times), len(times))
        return Video(tuple(times), torch.stack(frames))

    def free_times(
        self, gaps: Sequence[tuple[float, float]], true_times: Sequence[float]
    ) -> tuple[float, ...]:
        return tuple(
            start + share * (end - start)
            for start, end in gaps
            for share in torch.linspace(0, 1, 1 + round((end - start) * self.rate)).tolist()[1:-1]
        )


def _codes(video: Video) -> list[float]:
    return [round(time * 24, 6) for time in video.times]
