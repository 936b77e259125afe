"""Training pictures of the tiny model: bodies in motion, drawn ``canonical`` on white, small, from one side each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.files.arrays import save_arrays
from engine.priors import offsets
from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.framing import frame_views
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.training.learned_prior.data import ASSET_STAGES, FRAME_RATE, Clip, read_corpus
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.tiny_video.bodies import embody
from usd_io.model import Character, Motion
from usd_io.shapes import UInt8

SIZE = 64
"""Height and width of training pictures [pixels]."""
LONGEST = 91
"""Frames of a drawn clip at most: a coarse window, 15 intervals of six frames, fits exactly."""
SHORTEST = 16
AT_ONCE = 16
"""Frames that are drawn in one batch."""
SHARES = {"cmu": 0.4, "procedural": 0.25, "by_hand": 0.35}
"""Of drawn clips: motion capture, made up, animated by hand."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Drawn clips one after another at :data:`FRAME_RATE`."""

    frames: UInt8[np.ndarray, "frame size size 3"]
    starts: tuple[int, ...]
    """First frame of each clip, and the number of all frames at the end."""


def draw_pictures(corpus: Path, assets: Path | None, count: int, seed: int) -> Pictures:
    """Draw ``count`` clips and those of the assets, or, without assets, only clips of held-out characters; the same
    for the same seed."""
    rng = np.random.default_rng(seed)
    parts = []
    for character, motion in _actors(corpus, assets, count, rng):
        parts.append(draw_actor(character, motion, rng))
    return Pictures(np.concatenate(parts), (0, *np.cumsum([len(p) for p in parts]).tolist()))


def save_pictures(path: Path, pictures: Pictures) -> None:
    """Write pictures as plain arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_arrays(path, {"frames": pictures.frames, "starts": np.array(pictures.starts)}, {})


def load_pictures(path: Path) -> Pictures:
    """Read what :func:`save_pictures` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Pictures(file["frames"], tuple(file["starts"].tolist()))


def _actors(
    corpus: Path, assets: Path | None, count: int, rng: np.random.Generator
) -> Iterator[tuple[Character, Motion]]:
    """First the assets with their own meshes, then bodies on clips of the corpus and on made-up rigs."""
    clips = list(read_corpus(corpus, held_out=assets is None))
    if assets is not None:
        yield from _read_assets(assets)
        clips += procedural_clips(count // 4, int(rng.integers(2**31)))
    for clip in choose_clips(clips, count, rng):
        if (actor := embody(_part(clip, rng), rng)) is not None:
            yield actor


def choose_clips(clips: Sequence[Clip], count: int, rng: np.random.Generator) -> Iterator[Clip]:
    """Clips by chance, kinds as in :data:`SHARES`, long ones more often."""
    clips = [clip for clip in clips if clip.frames >= SHORTEST]
    kinds = np.array([clip.source.split("/")[0] for clip in clips])
    groups = np.where(np.isin(kinds, list(SHARES)), kinds, "by_hand")
    weights = np.array([clip.frames**0.7 for clip in clips])
    for group, share in SHARES.items():
        if (groups == group).any():
            weights[groups == group] *= share / weights[groups == group].sum()
    for i in rng.choice(len(clips), size=count, p=weights / weights.sum()):
        yield clips[i]


def _part(clip: Clip, rng: np.random.Generator) -> Clip:
    """Some stretch of a clip."""
    first = int(rng.integers(max(clip.frames - LONGEST, 0) + 1))
    return Clip(clip.source, clip.name, clip.rig, clip.poses[first : first + LONGEST])


def _read_assets(root: Path, stages: Sequence[str] = ASSET_STAGES) -> Iterator[tuple[Character, Motion]]:
    from usd_io.read.stage import read_shot

    for stage in stages:
        shot = read_shot(root / stage)
        for character, motion in zip(shot.characters, shot.motions, strict=True):
            step = motion.time_codes_per_second / FRAME_RATE
            even = offsets.sample(motion, np.arange(motion.times[0], motion.times[-1], step)[:LONGEST])
            if len(even.times) >= SHORTEST:
                yield character, even


def no_texture(path: str) -> bytes:
    """For a surface that is drawn ``canonical``."""
    raise AssertionError("canonical pictures need no texture")


def draw_actor(
    character: Character, motion: Motion, rng: np.random.Generator
) -> UInt8[np.ndarray, "frame size size 3"]:
    """Draw an actor from a random side, framed so that the whole motion is in the picture."""
    actors = Actors((character,), (motion,))
    surface = build_surface((character,), no_texture, "canonical")
    cameras = frame_views(
        actors.clouds(),
        [rng.uniform(0, 360)],
        up_axis=character.up_axis,
        height=SIZE,
        width=SIZE,
        elevation_deg=rng.uniform(0, 25),
    )
    return draw_frames(TorchRenderer(surface, "canonical"), cameras, actors)


def draw_frames(
    renderer: TorchRenderer, cameras: Cameras, actors: Actors
) -> UInt8[np.ndarray, "frame size size 3"]:
    """Draw all frames of actors from one side."""
    parts = range(0, actors.frame_count, AT_ONCE)
    return np.concatenate([renderer.pictures(actors.vertices(slice(i, i + AT_ONCE)), cameras) for i in parts])
