"""What the diffusers pipelines have in common: loading, prompts, calls, checkpoints, low-rank adapters.

Full-attention transformers have no temporal layers to freeze, so ICAdapt becomes two sets of low-rank pairs: one for
the look, trained on single frames, where attention is spatial and no motion can be learnt by heart; one for the
injection of known frames, trained on clips.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from engine.errors import ConfigError, DataError
from engine.files.hashing import content_hash
from engine.files.tensors import check_safetensors, load_meta
from engine.files.video import Video
from engine.progress import Progress
from engine.settings.choices import Appearance, ControlName, Memory, PrecisionName
from engine.settings.pinned_file import PinnedFile
from engine.video.adaptation.adapter import load_adapter, save_adapter
from engine.video.adaptation.lora_stack import Changes, add_changes, check_pinned, pairs_of, read_changes
from engine.video.backends import finished
from engine.video.backends.calls import Call, Rules, plan_calls
from engine.video.backends.context import longest_stretch
from engine.video.backends.devices import precision
from engine.video.backends.flow_lora import FlowSettings, check_pairs, chosen_layers, train
from engine.video.backends.protocol import Gap
from engine.video.backends.quantised import quantise, read_gguf, wait_in_main_memory
from engine.video.catalogue.models import pipeline_files
from engine.video.memory import explain_memory
from engine.video.network.sample import combine_seeds
from engine.video.options import AdaptOptions, GenerateOptions
from usd_io.errors import counted, shown
from usd_io.shapes import Float

REMEDY = ("memory low, a larger GPU or the model tiny", "memory", "model")
TRAIN_STEPS = 300
CLIP = 17
"""Frames of a training clip: whole groups for autoencoders that pack 4 or 8."""
Embeds = Mapping[str, Tensor]
"""Prompt embeddings by the pipeline's argument names."""


@dataclass
class FlowBackend(ABC):
    """A diffusers pipeline as a backend."""

    name: str
    height: int
    width: int
    source: Mapping[str, Any]
    folder: Path
    device: torch.device
    memory: Memory
    rules: Rules
    weights: PrecisionName = "auto"
    """Precision of its weights."""
    gguf: tuple[PinnedFile, ...] = ()
    """Files with its denoising networks, in place of its own."""
    _loaded: tuple[Any, Any] | None = field(default=None, repr=False)
    _text: Any = field(default=None, repr=False)
    _embeds: dict[tuple[str, bool], Embeds] = field(default_factory=dict, repr=False)

    pipeline: ClassVar[Any]
    """The class of diffusers."""
    network: ClassVar[Any] = None
    """That of the denoising network, where it can be read from a GGUF file."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Small parts that work on the device with it."""
    single_precision: ClassVar[tuple[str, ...]] = ()
    """Parts that overflow or lose detail in half."""
    appearance: ClassVar[str]
    """Pattern of the linear layers of the transformer that learn the look from single frames."""
    injection: ClassVar[str]
    """Pattern of those that learn from clips how known frames are taken in."""
    steps: ClassVar[int]
    guidance: ClassVar[float]
    few_steps: ClassVar[int] = 0
    """Steps with a few-step LoRA, which stands in place of guidance, too; 0: it takes none."""
    negative: ClassVar[str] = ""
    drawn: ClassVar[Appearance] = "textured"
    ground: ClassVar[bool] = True
    controls: ClassVar[tuple[ControlName, ...]] = ()

    @property
    def rate(self) -> float:
        """Least frame rate of the result [frames/s]."""
        return self.rules.rate

    @property
    def group(self) -> int:
        """Frames that share a latent."""
        return self.rules.group

    @abstractmethod
    def sample(
        self,
        pipe: Any,
        call: Call,
        frames: Float[Tensor, "frame 3 height width"],
        embeds: Embeds,
        options: GenerateOptions,
        seed: int,
        on_step: Callable[[], None],
    ) -> Float[Tensor, "frame 3 height width"]:
        """One call of the pipeline; free frames of ``frames`` are grey, or show the control."""

    @abstractmethod
    def loss(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"], embeds: Embeds, seed: int
    ) -> Float[Tensor, ""]:
        """Error of the predicted flow on one clip, or on one frame."""

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
        """See :meth:`engine.video.backends.Backend.adapt`; low-rank pairs only."""
        if options.mode == "off":
            return None
        if options.mode == "full":
            raise ConfigError(
                f"{self.name} has no layers of its own for motion to freeze; choose adapt lora.",
                settings=("adapt",),
            )
        frames, frame_rate = longest_stretch(views)
        settings = FlowSettings(
            options.steps or TRAIN_STEPS,
            stride=max(1, round(frame_rate / self.rate)),
            clip=CLIP,
            seed=options.seed,
            recompute=self.memory != "high",
        )
        with explain_memory("adapting the video model", *REMEDY):
            pipe = self._pipe(None)
            self._loaded = None  # it will not be the untouched one any more
            embeds = self._encode(pipe, prompt, guided=False)
            networks = denoisers(pipe)
            made = train(
                networks,
                (prefixed(self.appearance), prefixed(self.injection)),
                lambda part, seed: self.loss(pipe, part.to(self.device), embeds, seed),
                frames,
                settings,
                {"model": dict(self.source), "prompt": prompt},
                progress=progress,
                checkpoint_dir=checkpoint_dir,
            )
        save_adapter(out, made)
        return out

    @torch.no_grad()
    def generate(
        self,
        true: Video,
        gaps: Sequence[Gap],
        prompt: str,
        options: GenerateOptions,
        *,
        adapter: Path | None = None,
        control: Video | None = None,
        progress: Progress,
        checkpoint_dir: Path | None = None,
    ) -> Video:
        """See :meth:`engine.video.backends.Backend.generate`."""
        loras = options.few_step_lora
        if loras and not self.few_steps:
            raise ConfigError(
                f"{self.name} takes no few-step LoRA; leave it out.", settings=("few_step_lora",)
            )
        usual = (self.few_steps, 1.0) if loras else (self.steps, self.guidance)
        steps, guidance = options.steps or usual[0], options.guidance or usual[1]
        options = replace(options, steps=steps, guidance=guidance)
        self._check_size(true)
        calls = plan_calls(gaps, true.times, self.rules)
        guess = self._control_frames(control, self.free_times(gaps, true.times))
        mark = self._fingerprint(calls, true, control, prompt, options, adapter)
        made, done = finished.restore(checkpoint_dir, mark)
        images = dict(zip(true.times, true.frames, strict=True))
        images |= {time: frame.float() / 255 for time, frame in made.items()}
        with explain_memory("generating the video", *REMEDY):
            if done < len(calls):
                pipe = self._pipe(adapter, loras)
                embeds = self._encode(pipe, prompt, guided=guidance > 1)
            for number, call in enumerate(calls[done:], done):
                ticks = iter(range(number * steps + 1, (number + 1) * steps + 1))
                frames = self.sample(
                    pipe,
                    call,
                    finished.fill(call, images, guess, options.control_strength),
                    embeds,
                    options,
                    combine_seeds(options.seed, number),
                    lambda ticks=ticks: progress.step(next(ticks), len(calls) * steps),  # type: ignore[misc]
                )
                for place, frame in zip(call.places, frames, strict=True):
                    if place.writes and place.source is None:
                        made[place.time] = (frame.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
                        images[place.time] = made[place.time].float() / 255
                finished.keep(checkpoint_dir, mark, made, number + 1)
        times = sorted({p.time for call in calls for p in call.places if p.writes})
        return Video(tuple(times), torch.stack([images[t] for t in times]))

    def free_times(self, gaps: Sequence[Gap], true_times: Sequence[float]) -> tuple[float, ...]:
        """See :meth:`engine.video.backends.Backend.free_times`."""
        calls = plan_calls(gaps, true_times, self.rules)
        return tuple(sorted({p.time for call in calls for p in call.places if p.writes and p.source is None}))

    def _control_frames(self, control: Video | None, free: Sequence[float]) -> dict[float, Tensor]:
        """Pictures of the control by time; none where there is no control."""
        if control is None:
            return {}
        if not self.controls:
            raise ConfigError(f"{self.name} takes no control; choose control none.", settings=("control",))
        self._check_size(control)
        frames = dict(zip(control.times, control.frames, strict=True))
        if missing := [time for time in free if time not in frames]:
            raise DataError(
                f"the control lacks {counted(len(missing), 'frame')}, the first at {missing[0]:g} s."
            )
        return {time: frames[time] for time in free}

    def _check_size(self, true: Video) -> None:
        height, width = true.frames.shape[2:]
        if (height, width) != (self.height, self.width):
            raise ConfigError(
                f"{self.name} takes images of {self.width} x {self.height} pixels, not {width} x {height}."
            )

    def _fingerprint(
        self,
        calls: Sequence[Call],
        true: Video,
        control: Video | None,
        prompt: str,
        options: GenerateOptions,
        adapter: Path | None,
    ) -> str:
        learnt = None if adapter is None else load_meta(adapter)
        return content_hash([calls, prompt, options, self.source, learnt, true, control])

    def _pipe(self, adapter: Path | None, loras: Sequence[PinnedFile] = ()) -> Any:
        """The pipeline on its device, untouched or with one adapter and LoRAs for few steps; its text encoder is kept
        apart."""
        wanted = adapter, tuple(loras)
        if self._loaded is None or self._loaded[0] != wanted:
            self._loaded = None  # before another is read
            pipe = self._load()
            add_changes(denoisers(pipe), self._stack(pipe, adapter, loras))
            quantise(denoisers(pipe), self.weights, self._learning(pipe))
            if loras:
                pipe.scheduler = self.few_step_schedule(pipe.scheduler)
            for part in ("vae", *self.beside):
                nn.Module.to(getattr(pipe, part), self.device)
            if self.memory == "lowest":
                wait_in_main_memory(pipe, self.device)
            else:
                nn.Module.to(denoisers(pipe), self.device)
            if self.memory in ("lowest", "low"):
                pipe.vae.enable_tiling()
            pipe.set_progress_bar_config(disable=True)
            self._text, pipe.text_encoder = pipe.text_encoder, None
            self._loaded = wanted, pipe
        return self._loaded[1]

    def _load(self) -> Any:
        dtype = precision(self.device, self.memory, self.weights)
        kept = {} if self._text is None else {"text_encoder": self._text}  # the largest part; never changed
        parts = ("transformer", "transformer_2")
        for part, file in zip(parts, self.gguf, strict=False):
            if file.sha256:  # what is read is what was planned with
                check_pinned(file)
            kept[part] = read_gguf(file.path, self.network, self.folder, part, dtype)
        dtypes = {"default": dtype} | dict.fromkeys(self.single_precision, torch.float32)
        for path in pipeline_files(self.folder, own_networks=not self.gguf):
            if path.suffix == ".safetensors":
                check_safetensors(path)
        try:
            pipe = self.pipeline.from_pretrained(
                self.folder, dtype=dtypes, use_safetensors=True, local_files_only=True, **kept
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise DataError(
                f"{self.folder} cannot be read as {self.name}: {shown(str(error).strip().splitlines()[0])}; "
                f"check it with 'anymole models verify {self.name}'."
            ) from error
        for network in (
            denoisers(pipe),
            pipe.text_encoder,
            *(getattr(pipe, p) for p in ("vae", *self.beside)),
        ):
            network.eval().requires_grad_(False)
        return pipe

    def _learning(self, pipe: Any) -> dict[str, nn.Linear]:
        """The layers that learn from the context, by name."""
        return chosen_layers(denoisers(pipe), (prefixed(self.appearance), prefixed(self.injection)))

    def _stack(
        self, pipe: Any, adapter: Path | None, loras: Sequence[PinnedFile]
    ) -> list[tuple[Changes, str]]:
        """What is added to the untouched weights, with where it comes from."""
        stack: list[tuple[Changes, str]] = []
        if adapter is not None:
            learnt = load_adapter(adapter)
            check_pairs(self._learning(pipe), learnt, adapter)
            stack.append((pairs_of(learnt.tensors), str(adapter)))
        networks = (
            ("",) if getattr(pipe, "transformer_2", None) is None else ("transformer.", "transformer_2.")
        )
        if len(loras) > len(networks):
            raise ConfigError(
                f"{self.name} has one network, for one few-step LoRA.", settings=("few_step_lora",)
            )
        for i, network in enumerate(networks if loras else ()):
            file = loras[min(i, len(loras) - 1)]
            path = file.path
            check_pinned(file)  # what is read is what was planned with
            changes = read_changes(path)
            stack.append(({f"{network}{name}": c for name, c in changes.items()}, shown(path)))
        return stack

    def few_step_schedule(self, scheduler: Any) -> Any:
        """The schedule of a few-step LoRA in place of the pipeline's; for models that take one."""
        return scheduler

    @torch.no_grad()
    def _encode(self, pipe: Any, prompt: str, *, guided: bool) -> Embeds:
        """Embeddings of the prompt and, where guidance is used, of what is not wanted.

        The text encoder, several times as large as the rest, works on the processor unless memory does not matter.
        """
        if (prompt, guided) not in self._embeds:
            where = self.device if self.memory == "high" else torch.device("cpu")
            nn.Module.to(self._text, where)
            pipe.text_encoder = self._text
            try:
                found = self.encode_prompt(pipe, prompt, guided, where)
            finally:
                pipe.text_encoder = None
            self._embeds[prompt, guided] = {k: v.to(self.device) for k, v in found.items() if v is not None}
        return self._embeds[prompt, guided]

    @abstractmethod
    def encode_prompt(self, pipe: Any, prompt: str, guided: bool, device: torch.device) -> Mapping[str, Any]:
        """Embeddings by the pipeline's argument names; None where there are none."""


class TwoNetworks(nn.Module):
    """Networks for high and for low noise as one, to be trained and adapted together."""

    def __init__(self, transformer: Any, transformer_2: Any) -> None:
        super().__init__()
        self.transformer, self.transformer_2 = transformer, transformer_2

    def enable_gradient_checkpointing(self) -> None:
        """Of both."""
        for network in (self.transformer, self.transformer_2):
            network.enable_gradient_checkpointing()

    def disable_gradient_checkpointing(self) -> None:
        """Of both."""
        for network in (self.transformer, self.transformer_2):
            network.disable_gradient_checkpointing()


def denoisers(pipe: Any) -> Any:
    """The denoising network of a pipeline, or both of them."""
    second = getattr(pipe, "transformer_2", None)
    return pipe.transformer if second is None else TwoNetworks(pipe.transformer, second)


def prefixed(pattern: str) -> str:
    """A pattern of names of layers that fits them in either of two networks, too."""
    return rf"(transformer(_2)?\.)?({pattern})"


def noised(
    clean: Float[Tensor, "*latent"], seed: int, shift: float
) -> tuple[Float[Tensor, "*latent"], Float[Tensor, "*latent"], float]:
    """Noisy latents of flow matching (Lipman et al. 2023), the flow to predict, and the noise level in (0, 1).

    Args:
        clean: Latents.
        seed: Of the noise and its level.
        shift: Moves levels towards noise, as the pipeline's schedule does; 1: uniform.
    """
    generator = torch.Generator().manual_seed(seed)
    level = torch.rand((), generator=generator).item()
    level = shift * level / (1 + (shift - 1) * level)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    return (1 - level) * clean + level * noise, noise - clean, level
