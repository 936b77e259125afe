"""The DynamiCrafter networks as a backend: the released model, and the tiny one of the same kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from engine.files.tensors import check_hash
from engine.files.video import Video
from engine.progress import Progress
from engine.settings.choices import Appearance, Memory, PrecisionName
from engine.video.adaptation.adapt import adapt
from engine.video.adaptation.adapter import apply_adapter, load_adapter, save_adapter
from engine.video.adaptation.settings import AdaptSettings
from engine.video.backends.context import longest_stretch, strides_for
from engine.video.backends.devices import device_gb, pick_device, precision
from engine.video.backends.protocol import Gap
from engine.video.catalogue.convert import load_model, read_description
from engine.video.catalogue.models import card
from engine.video.catalogue.ready import require_converted
from engine.video.generate import GenerateSettings, generate
from engine.video.memory import explain_memory
from engine.video.network.model import VideoModel, place_model
from engine.video.network.sample import SamplerSettings
from engine.video.options import AdaptOptions, GenerateOptions
from engine.video.windows import plan_windows

RATE = 15.0
"""Of the paper's result [frames/s]."""
HEIGHT, WIDTH = 320, 512
"""Pictures of DynamiCrafter_512_interp."""
GENERATE_GB = 8.5
FULL_GB, FULL_LOW_GB = 35.3, 22.1
LORA_GB = 21.6
"""What the released model needs of a GPU to generate and to adapt where memory is not spared and, ``LOW``, where it is
[1e9 bytes]: 1.1 times the peak and 0.5, from docs/measurements.md. With less, ``auto`` spares it."""


@dataclass
class Native:
    """A DynamiCrafter network of any size."""

    name: str
    height: int
    width: int
    source: Mapping[str, Any]
    load: Callable[[], VideoModel]
    """Reads the weights onto the processor."""
    device: torch.device
    memory: Memory
    usual_adapt: AdaptSettings = field(default_factory=AdaptSettings)
    """Where the user asks for nothing else."""
    usual_sampler: SamplerSettings = field(default_factory=SamplerSettings)
    rate: float = RATE
    group: int = 1
    drawn: Appearance = "textured"
    ground: bool = True
    weights: PrecisionName = "auto"
    """Precision of its weights."""
    _loaded: tuple[Path | None, VideoModel] | None = field(default=None, repr=False)

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
        """See :meth:`engine.video.backends.Backend.adapt`."""
        if options.mode == "off":
            return None
        frames, frame_rate = longest_stretch(views)
        settings = self._adapt_settings(options, frame_rate)
        model = self._model(None)
        self._loaded = None  # it will not be the untouched one any more
        made = adapt(
            model, frames, frame_rate, prompt, settings, progress=progress, checkpoint_dir=checkpoint_dir
        )
        # Low-rank pairs are small; whole parameters go back to the precision that they came in.
        save_adapter(out, made, model.unet.conv_in.weight.dtype if made.kind == "full" else None)
        return out

    def _adapt_settings(self, options: AdaptOptions, frame_rate: float) -> AdaptSettings:
        names: dict[torch.dtype, Any] = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        usual, size = self.usual_adapt, device_gb(self.device)
        small = options.mode == "auto" and size < FULL_LOW_GB
        kind: Literal["full", "lora"] = "lora" if options.mode == "lora" or small else "full"
        memory = usual.memory if self.memory == "auto" else self.memory
        if self.memory == "auto" and size < (LORA_GB if kind == "lora" else FULL_GB):
            memory = "low"
        return replace(
            usual,
            kind=kind,
            steps=options.steps or usual.steps,
            learning_rate=0.0 if kind == "lora" else usual.learning_rate,  # pairs have a rate of their own
            strides=strides_for(frame_rate),
            precision=names[
                precision(self.device, "auto", self.weights)
            ],  # of activations; what is trained stays single
            memory=memory,
            seed=options.seed,
        )

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
        """See :meth:`engine.video.backends.Backend.generate`; coarse and fine windows are planned here."""
        windows = plan_windows(gaps, true.times, self.rate)
        usual = self.usual_sampler
        sampler = replace(
            usual, steps=options.steps or usual.steps, guidance=options.guidance or usual.guidance
        )
        settings = GenerateSettings(sampler, options.seed)
        return generate(
            self._model(adapter),
            windows,
            true,
            prompt,
            settings,
            progress=progress,
            checkpoint_dir=checkpoint_dir,
        )

    def _model(self, adapter: Path | None) -> VideoModel:
        """The networks on their device, untouched or with one adapter."""
        if self._loaded is None or self._loaded[0] != adapter:
            self._loaded = None  # before another is read
            model = self.load()
            if adapter is not None:
                apply_adapter(model, load_adapter(adapter))
            self._loaded = adapter, model
        model = self._loaded[1]
        spare = self.memory == "low" or (self.memory == "auto" and device_gb(self.device) < GENERATE_GB)
        with explain_memory(
            "loading the video model", "memory low, a larger GPU or the model tiny", "memory", "model"
        ):
            return place_model(
                model, self.device, precision(self.device, self.memory, self.weights), encoders=not spare
            )


def dynamicrafter(memory: Memory, device: str, weights: PrecisionName = "auto") -> Native:
    """The released model, from its converted folder.

    Raises:
        ResourceMissing: Weights or a GPU are missing.
    """
    model_card = card("dynamicrafter")
    folder = require_converted(model_card)
    description = read_description(folder)
    source = {"name": description["source"]["name"], "parts": description["parts"]}
    return Native(
        model_card.name,
        HEIGHT,
        WIDTH,
        source,
        lambda: load_model(folder),
        pick_device(model_card, device),
        memory,
        weights=weights,
    )


def tiny(memory: Memory, device: str, weights: PrecisionName = "auto") -> Native:
    """The embedded model: a tour of the method on any machine, never to be sold as quality."""
    from engine.video import tiny as embedded

    height, width = embedded.IMAGE_SIZE
    where = torch.device("cpu") if device == "auto" else pick_device(card("tiny"), device)
    check_hash(embedded.PATH, embedded.SHA256)  # at once, as other models say what is missing
    return Native(
        "tiny",
        height,
        width,
        embedded.SOURCE,
        embedded.load_tiny,
        where,
        memory,
        embedded.ADAPT,
        embedded.SAMPLER,
        drawn="canonical",
        ground=False,
        weights=weights,
    )
