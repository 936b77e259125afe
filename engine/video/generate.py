"""Fill all windows of a plan: coarse, then fine (paper section 3.2).

Features: seeds give the same video whatever the device's random numbers are; guides travel as latents, without a
detour through 8-bit images; a stopped run goes on after the last finished batch of windows; true frames are in the
result as they came.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import ConfigError, DataError
from engine.files.hashing import content_hash
from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.files.video import Video
from engine.progress import Progress
from engine.video.memory import explain_memory
from engine.video.network.conditioning import (
    Condition,
    EmptyCondition,
    encode_empty,
    end_latents,
    join_context,
    predictor,
)
from engine.video.network.model import VideoModel, decode_latents, encode_frames, encode_images, encode_text
from engine.video.network.sample import Hold, SamplerSettings, sample_window, seeded_noise
from engine.video.windows import WINDOW_FRAMES, Role, Window, batches
from usd_io.shapes import Bool, Float

STATE = "generate.safetensors"
"""Finished latents, in the checkpoint folder."""


@dataclass(frozen=True)
class GenerateSettings:
    """How a video is generated."""

    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    seed: int = 0
    batch: int = 1
    """Windows sampled together where they do not need each other."""


@torch.no_grad()
def generate(
    model: VideoModel,
    windows: Sequence[Window],
    true: Video,
    prompt: str,
    settings: GenerateSettings,
    *,
    progress: Progress,
    checkpoint_dir: Path | None = None,
) -> Video:
    """Generate what the windows lack.

    Args:
        model: The video model, adapted or not.
        windows: The plan (:func:`engine.video.windows.plan_windows`), in its order.
        true: All true frames that the plan refers to; one view.
        prompt: What is seen, or nothing.
        settings: Sampling and seed.
        progress: Reports every step of every window.
        checkpoint_dir: Where finished windows are kept, so that a stopped run goes on from there.

    Returns:
        All generated frames and the true frames that the plan refers to, these unchanged.

    Raises:
        ConfigError: The image size does not fit the network.
        DataError: A true frame that the plan refers to is missing.
        OutOfMemory: The device's memory ran out; finished windows are kept.
        RunCancelled: The user stopped the run; finished windows are kept.
    """
    _check_size(model, true)
    mark = fingerprint(model, windows, true, prompt, settings)
    groups = batches(windows, settings.batch)
    total = sum(map(len, groups)) * settings.sampler.steps
    with explain_memory(
        "generating the video", "memory low, a larger GPU or the model tiny", "memory", "model"
    ):
        known = _KnownLatents(
            model, true, [s.source for w in windows for s in w.slots if s.role == Role.TRUE]
        )
        finished = _restore(known, checkpoint_dir, mark)
        text, empty = encode_text(model, [prompt]), encode_empty(model)
        done = sum(map(len, groups[:finished])) * settings.sampler.steps
        for number, group in enumerate(groups[finished:], finished + 1):
            ticks = iter(range(done + len(group), total + 1, len(group)))
            _fill(known, group, text, empty, settings, partial(_tick, progress, ticks, total))
            done += len(group) * settings.sampler.steps
            _keep(known, checkpoint_dir, mark, number)
        return known.video()


def _tick(progress: Progress, ticks: Iterator[int], total: int) -> None:
    progress.step(next(ticks), total)


class _KnownLatents:
    """Latents and images of what is known so far."""

    def __init__(self, model: VideoModel, true: Video, needed: Iterable[float | None]) -> None:
        self.model, self.true = model, true
        self.places = {time: i for i, time in enumerate(true.times)}
        times = sorted({t for t in needed if t is not None})
        if missing := [t for t in times if t not in self.places]:
            raise DataError(f"the plan needs true frames that did not come, the first at {missing[0]:g} s.")
        latents = encode_frames(model, true.frames[[self.places[t] for t in times]]).to(model.device)
        self.latents = dict(zip(times, latents, strict=True))
        self.generated: set[float] = set()

    def add(self, time: float, latent: Float[Tensor, "latent height width"]) -> None:
        self.latents[time] = latent
        self.generated.add(time)

    def image(self, time: float) -> Float[Tensor, "3 height width"]:
        if time in self.places:
            return self.true.frames[self.places[time]]
        return decode_latents(self.model, self.latents[time][None])[0].cpu()

    def video(self) -> Video:
        """All frames that are known now."""
        times = sorted(self.latents)
        return Video(tuple(times), torch.stack([self.image(t) for t in times]))


def _fill(
    known: _KnownLatents,
    group: Sequence[Window],
    text: Float[Tensor, "1 77 channel"],
    empty: EmptyCondition,
    settings: GenerateSettings,
    on_step: Callable[[], None],
) -> None:
    """Sample a batch of windows and keep the frames they write."""
    model = known.model
    latents = torch.stack([_window_latents(known, w) for w in group])
    image = encode_images(model, torch.stack([known.image(_source(w, 0)) for w in group]))
    fps = torch.tensor([float(w.fps) for w in group], device=model.device)

    def condition(text: Tensor, image: Tensor) -> Condition:
        text, image = (x.expand(len(group), -1, -1).to(model.device) for x in (text, image))
        known = latents if model.shape.unet.blend else end_latents(latents)
        return Condition(join_context(model, text, image), known, fps)

    sampler = settings.sampler
    predict = predictor(model, condition(text, image), condition(empty.text, empty.image), sampler.guidance)
    draws = [_noise(w, settings.seed, latents) for w in group]
    hold = Hold(latents, _mask(w.held_above for w in group), _mask(w.held_below for w in group))
    result = sample_window(predict, hold, sampler, lambda: torch.stack([d() for d in draws]), on_step=on_step)
    for window, filled in zip(group, result, strict=True):
        for i in window.writes:
            known.add(window.slots[i].time, filled[:, i])


def _source(window: Window, i: int) -> float:
    source = window.slots[i].source
    assert source is not None, "ends of a window are known"
    return source


def _window_latents(known: _KnownLatents, window: Window) -> Float[Tensor, "latent frame height width"]:
    """Latents of the known frames; zero where free, which is never looked at."""
    zero = torch.zeros_like(next(iter(known.latents.values())))
    frames = [zero if s.source is None else known.latents[s.source] for s in window.slots]
    return torch.stack(frames, 1)


def _noise(window: Window, seed: int, latents: Tensor) -> Callable[[], Tensor]:
    """Random numbers that belong to this window wherever and beside whatever it is sampled."""
    place = (window.gap, window.level, *window.writes)
    return seeded_noise(tuple(latents.shape[1:]), seed, *place, device=latents.device)


def _mask(held: Iterable[Iterable[int]]) -> Bool[Tensor, "batch frame"]:
    return torch.tensor([[i in indices for i in range(WINDOW_FRAMES)] for indices in map(set, held)])


def _check_size(model: VideoModel, true: Video) -> None:
    cell = model.shape.vae.stride * 2 ** (len(model.shape.unet.channels) - 1)
    height, width = true.frames.shape[2:]
    if height % cell or width % cell:
        raise ConfigError(
            f"images of {width} x {height} pixels do not fit the network; choose multiples of {cell}."
        )


def fingerprint(
    model: VideoModel, windows: Sequence[Window], true: Video, prompt: str, settings: GenerateSettings
) -> str:
    """Hash of all that decides the result, so that finished work is used for the same result only."""
    return content_hash([windows, prompt, settings, model.source, true])


def _keep(known: _KnownLatents, folder: Path | None, mark: str, finished: int) -> None:
    if folder is None:
        return
    times = sorted(known.generated)
    latents = torch.stack([known.latents[t] for t in times])
    meta = {"fingerprint": mark, "times": times, "finished": finished}
    save_tensors(folder / STATE, {"latents": latents}, meta)


def _restore(known: _KnownLatents, folder: Path | None, mark: str) -> int:
    """Take up finished latents; returns how many batches need not be done again."""
    if folder is None or not (folder / STATE).is_file():
        return 0
    meta = load_meta(folder / STATE)
    if meta.get("fingerprint") != mark:
        return 0
    latents = load_tensors(folder / STATE)["latents"].to(known.model.device)
    for time, latent in zip(meta["times"], latents, strict=True):
        known.add(time, latent)
    return int(meta["finished"])
