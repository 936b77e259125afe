"""A video model: pictures of what is known in, a video out. This one dissolves from picture to picture."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from anymole import AdaptOptions, AddedModel, Appearance, GenerateOptions, Memory, ModelCard, Progress, Video


@dataclass(frozen=True)
class Dissolve:
    """Every member of the protocol ``anymole.Backend``."""

    name: str = "dissolve"
    height: int = 64
    width: int = 96
    drawn: Appearance = "canonical"
    ground: bool = False
    rate: float = 12.0
    group: int = 1
    source: Mapping[str, Any] = field(default_factory=lambda: {"name": "dissolve", "version": 1})

    def adapt(
        self,
        views: Mapping[str, Video],
        prompt: str,
        options: AdaptOptions,
        *,
        out: Path,
        progress: Progress,
        checkpoint_dir: Path | None = None,
    ) -> Path | None:
        """There is nothing to train."""
        return None

    def generate(
        self,
        true: Video,
        gaps: Sequence[tuple[float, float]],
        prompt: str,
        options: GenerateOptions,
        *,
        adapter: Path | None = None,
        progress: Progress,
        checkpoint_dir: Path | None = None,
    ) -> Video:
        """Fill each gap with dissolves between the true frames at its ends and inside it."""
        frames = dict(zip(true.times, true.frames, strict=True))
        for number, (start, end) in enumerate(gaps, start=1):
            known = [time for time in true.times if start <= time <= end]
            count = max(round((end - start) * self.rate), 1)
            for time in (start + (end - start) * i / count for i in range(1, count)):
                at = bisect_right(known, time)
                before, after = known[at - 1], known[at]
                share = (time - before) / (after - before)
                frames.setdefault(time, torch.lerp(frames[before], frames[after], share))
            progress.step(number, len(gaps))
        times = tuple(sorted(frames))
        return Video(times, torch.stack([frames[time] for time in times]))


def make(memory: Memory, device: str) -> Dissolve:
    """The model, ready to work; it needs neither memory nor a device."""
    return Dissolve()


dissolve = AddedModel(
    ModelCard(
        name="dissolve",
        what="dissolves from picture to picture: an example of a studio's own model, not quality",
        repository="",
        files=(),
        licence="Apache-2.0",
        limits="",
        memory_generate_gb=0.0,
        group=1,
    ),
    make,
)
