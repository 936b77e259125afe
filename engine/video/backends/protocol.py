"""The protocol of video models: what a run asks of any of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from engine.files.video import Video
from engine.progress import Progress
from engine.settings.choices import Appearance, ControlName
from engine.video.options import AdaptOptions, GenerateOptions

Gap = tuple[float, float]
"""Start and end [s], both true frames."""


@runtime_checkable
class Backend(Protocol):
    """A video model that fills gaps."""

    @property
    def name(self) -> str:
        """As the user calls it."""
        ...

    @property
    def height(self) -> int:
        """Of the pictures it is given and gives [pixels]."""
        ...

    @property
    def width(self) -> int:
        """Of the pictures it is given and gives [pixels]."""
        ...

    @property
    def drawn(self) -> Appearance:
        """How the characters look in its pictures."""
        ...

    @property
    def ground(self) -> bool:
        """Whether they stand on one in its pictures."""
        ...

    @property
    def rate(self) -> float:
        """Of the result [frames/s]; exceeded where a gap or a short context asks for it: keys fall on frames."""
        ...

    @property
    def group(self) -> int:
        """Frames that share a latent: 1 holds every true frame by itself."""
        ...

    @property
    def source(self) -> Mapping[str, Any]:
        """What the weights are, with their hashes: plain values for artefact keys and the provenance of results."""
        ...

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
        """Adapt to the context.

        Args:
            views: The context as drawn from each view, all at the same times; the longest stretch without a hole is
                learnt from. Pictures are height x width of this model, display-referred RGB in [0, 1].
            prompt: What is seen, or nothing.
            options: What is trained and for how long.
            out: The adapter to write.
            progress: Reports each step with its loss.
            checkpoint_dir: Where the state is kept, so that a stopped run goes on from there.

        Returns:
            ``out``, or None where nothing was to be trained.

        Raises:
            ConfigError: The model has no such way to be adapted.
            DataError: The context is too short.
            OutOfMemory: The device's memory ran out; the last checkpoint is kept.
            RunCancelled: The user stopped the run; its state is kept.
        """
        ...

    def generate(
        self,
        true: Video,
        gaps: Sequence[Gap],
        prompt: str,
        options: GenerateOptions,
        *,
        adapter: Path | None = None,
        progress: Progress,
        checkpoint_dir: Path | None = None,
    ) -> Video:
        """Fill gaps.

        Args:
            true: One view: all frames of the context and all keys.
            gaps: What is to be filled, in order; they may touch but not overlap.
            prompt: What is seen, or nothing.
            options: Steps, guidance and seed; a seed gives one video.
            adapter: Written by :meth:`adapt` of the same model.
            progress: Reports each step.
            checkpoint_dir: Where finished windows are kept, so that a stopped run goes on from there.

        Returns:
            Frames at :attr:`rate` or more from the start to the end of each gap, and the true frames they hang on. True
            frames are unchanged.

        Raises:
            ConfigError: Gaps overlap or are empty.
            DataError: A true frame is missing, or the adapter is of another model.
            OutOfMemory: The device's memory ran out; finished windows are kept.
            RunCancelled: The user stopped the run; finished windows are kept.
        """
        ...


@runtime_checkable
class ControlledBackend(Backend, Protocol):
    """A video model that can be shown a guess in the frames that it generates.

    Its ``generate`` has one more argument, ``control``: what is shown at :meth:`free_times`, in pictures of the model's
    size; None: nothing. How much of it counts is among the options.
    """

    @property
    def controls(self) -> tuple[ControlName, ...]:
        """What it may be shown in the frames that it generates; empty: nothing."""
        ...

    def free_times(self, gaps: Sequence[Gap], true_times: Sequence[float]) -> tuple[float, ...]:
        """When the frames are that it will generate [s], increasing; for drawing a control.

        Raises:
            ConfigError: Gaps overlap or are empty, or an end of a gap is no true frame.
        """
        ...
