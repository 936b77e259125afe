"""Training pairs of the correction: gaps of corpus clips as they are and as a motion prior fills them, both drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.files.arrays import save_arrays
from engine.planning.plan import Plan
from engine.priors.catalogue import PRIORS
from engine.priors.fill import merge
from engine.rendering.actors import Actors
from engine.rendering.framing import frame_views
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.training.learned_prior.cases import make_plan
from engine.training.learned_prior.data import FRAME_RATE, read_corpus
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.tiny_video.bodies import embody
from engine.training.tiny_video.data import SIZE, choose_clips, draw_frames, no_texture
from engine.video.tiny.correction import GuessInputs
from usd_io.model import Character, Motion
from usd_io.shapes import Float, UInt8

STRIDE = 2
"""Clip frames from one drawn frame to the next: 15 frames/s, the rate of the tiny model."""
AHEAD = 2
"""Drawn frames before each gap, all known."""
GAPS_S = (0.5, 1.2)
"""Lengths of gaps [s]."""


@dataclass(frozen=True, eq=False)
class GuessPictures:
    """Drawn gaps one after another, each as :data:`AHEAD` known frames, its start, what is inside, its end."""

    truth: UInt8[np.ndarray, "frame size size 3"]
    guess: UInt8[np.ndarray, "frame size size 3"]
    """The same as the truth where that is known."""
    starts: tuple[int, ...]
    """First frame of each gap, and the number of all frames at the end."""


@dataclass(frozen=True, eq=False)
class GuessBatch:
    """Frames to correct, and how they should look."""

    inputs: GuessInputs
    truth: Float[Tensor, "frame 3 height width"]


def draw_guesses(corpus: Path, count: int, seed: int, *, held_out: bool, prior: str) -> GuessPictures:
    """Draw the gaps of about ``count`` clips, of characters for training or of those held out; the same for the same
    seed."""
    rng = np.random.default_rng(seed)
    truth: list[np.ndarray] = []
    guess: list[np.ndarray] = []
    clips = list(read_corpus(corpus, held_out=held_out))
    if not held_out:
        clips += procedural_clips(count // 4, int(rng.integers(2**31)))
    for clip in choose_clips(clips, count, rng):
        length = round(rng.uniform(*GAPS_S) * FRAME_RATE / STRIDE) * STRIDE
        plan = make_plan(clip, length / FRAME_RATE, rng)
        actor = embody(clip, rng)
        if plan is None or actor is None:
            continue
        for a, b in _draw_gaps(*actor, plan, prior, rng):
            truth.append(a)
            guess.append(b)
    starts = (0, *np.cumsum([len(part) for part in truth]).tolist())
    return GuessPictures(np.concatenate(truth), np.concatenate(guess), starts)


def _draw_gaps(
    character: Character, motion: Motion, plan: Plan, prior: str, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Truth and guess of each gap, from one random side that shows both whole."""
    known = motion.at(plan.known(motion.times))
    filled = merge(known, PRIORS[prior](character, known, plan))
    first, last = plan.contexts[0][0], plan.keys[-1]
    whole = motion.at((motion.times >= first) & (motion.times <= last))
    surface = build_surface((character,), no_texture, "canonical")
    cloud = Actors((character,), (whole,)).clouds()
    side, height = [rng.uniform(0, 360)], rng.uniform(0, 25)
    cameras = frame_views(
        cloud, side, up_axis=character.up_axis, height=SIZE, width=SIZE, elevation_deg=height
    )
    renderer = TorchRenderer(surface, "canonical")
    for number, gap in enumerate(plan.gaps):
        times = np.arange(gap.start - AHEAD * STRIDE, gap.end + 1, STRIDE)
        if times[0] < first:
            continue
        inside = (times > gap.start) & (times < gap.end)
        true, guessed = (
            motion.at(np.isin(motion.times, times)),
            filled.at(np.isin(filled.times, times[inside])),
        )
        pictures = draw_frames(renderer, cameras, Actors((character,), (true,)))
        made = pictures.copy()
        made[inside] = draw_frames(renderer, cameras, Actors((character,), (guessed,)))
        if number:  # what lies before a later gap is itself a guess and is not known
            pictures[:AHEAD] = made[:AHEAD] = pictures[AHEAD]
        yield pictures, made


def save_guesses(path: Path, pictures: GuessPictures) -> None:
    """Write pictures as plain arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"truth": pictures.truth, "guess": pictures.guess, "starts": np.array(pictures.starts)}
    save_arrays(path, arrays, {})


def load_guesses(path: Path) -> GuessPictures:
    """Read what :func:`save_guesses` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return GuessPictures(file["truth"], file["guess"], tuple(file["starts"].tolist()))


def frames_in_gaps(starts: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """First known frame of a gap, the index of a frame inside it, and its end, for all frames inside gaps."""
    return [
        (first, frame, end - 1)
        for first, end in pairwise(starts)
        for frame in range(first + AHEAD + 1, end - 1)
    ]


def batch_of(pictures: GuessPictures, chosen: list[tuple[int, int, int]], mirrored: np.ndarray) -> GuessBatch:
    """Some frames of :func:`frames_in_gaps`, some of them mirrored."""
    first, frame, end = np.array(chosen).T
    start = first + AHEAD
    index = np.stack([frame - 1, frame, frame + 1, start, end, first, first + 1, frame], 1)
    guess, truth = pictures.guess[index[:, :3]], pictures.truth[index[:, 3:]]
    both = torch.from_numpy(np.concatenate([guess, truth], 1)).permute(0, 1, 4, 2, 3).float() / 255
    flip = torch.from_numpy(mirrored)[:, None, None, None, None]
    both = torch.where(flip, both.flip(-1), both)
    place = torch.from_numpy((frame - start) / (end - start)).float()
    length = torch.from_numpy((end - start) * STRIDE / FRAME_RATE).float()
    return GuessBatch(GuessInputs(both[:, :3], both[:, 3:5], both[:, 5:7], place, length), both[:, 7])
