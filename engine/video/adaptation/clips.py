"""Training clips of the context: every window of 16 frames, from every view, at several strides."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import DataError
from engine.video.windows import WINDOW_FRAMES
from usd_io.errors import counted


@dataclass(frozen=True)
class ContextClip:
    """Frames ``start, start + stride, ...`` of one view."""

    view: int
    start: int
    stride: int

    @property
    def frames(self) -> range:
        """Indices of its frames in the context."""
        return range(self.start, self.start + WINDOW_FRAMES * self.stride, self.stride)


def all_clips(views: int, frames: int, strides: Sequence[int]) -> tuple[ContextClip, ...]:
    """Every clip there is: 372 for the paper's 4 views of 61 frames at strides 1, 2 and 3.

    Raises:
        DataError: The context is shorter than a clip.
    """
    clips = tuple(
        ContextClip(view, start, stride)
        for stride in strides
        for view in range(views)
        for start in range(frames - (WINDOW_FRAMES - 1) * stride)
    )
    if not clips:
        raise DataError(
            f"the context has {counted(frames, 'frame')}; adaptation needs "
            f"{1 + (WINDOW_FRAMES - 1) * min(strides)} or more."
        )
    return clips


def split_clips(
    clips: Sequence[ContextClip], held_out: float
) -> tuple[tuple[ContextClip, ...], tuple[ContextClip, ...]]:
    """Clips to train on and clips to measure on, spread evenly.

    Neighbouring clips share frames, so the measure shows how well the context is fitted between the clips that were
    trained on; it is no test on unseen motion.

    Args:
        clips: All clips.
        held_out: Share to measure on; 0: none, as in the paper.
    """
    count = min(round(len(clips) * held_out + 0.5) if held_out else 0, len(clips) - 1)
    chosen = {(2 * i + 1) * len(clips) // (2 * count) for i in range(count)}
    return (
        tuple(c for i, c in enumerate(clips) if i not in chosen),
        tuple(c for i, c in enumerate(clips) if i in chosen),
    )
