"""The training corpus in memory: clips of many skeletons, split by character, with flipping joints left out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.geometry import skeleton
from engine.training.learned_prior.poses import Rig, make_rig
from usd_io.shapes import Bool, Float

FRAME_RATE = 30.0
"""Frames per second of every clip in memory."""
HELD_OUT = frozenset(
    {
        "cmu/subject_02",
        "cmu/subject_05",
        "godot/tps_red_robot",
        "kaykit/rig_medium",
        "mesh2motion/horse",
        "mesh2motion/kaiju",
        "quaternius/animal_pack_vol_2_cat",
        "quaternius/dinosaur_animated_pack_apatosaurus",
        "quaternius/easy_animated_enemy_pack_rat",
        "quaternius/fish_pack_animated_shark",
        "quaternius/monster_pack_animated_skeleton",
        "quaternius/woman_animated_animated_woman",
        "quaternius_2020s/cyberpunk_pack__character",
        "quaternius_2020s/mech_pack__leela",
    }
)
"""Characters and performers used for choosing and calibration only, never for training."""
LEFT_OUT = ("cmu/subject_06", "cmu/subject_06_part2")
"""Performers of clips of the evaluation suite."""
LEFT_OUT_CLIPS = {"cmu/prediction_actions": ("running", "test_running", "basketball_1", "basketball_2")}
"""Clips by how their names begin whose performer may be one of the suite's."""
ASSET_STAGES = (
    "spider/spider_spider_walk.usda",
    "spider/spider_spider_attack.usda",
    "spider/spider_spider_jump.usda",
    "wasp/wasp_wasp_flying.usda",
    "wasp/wasp_wasp_attack.usda",
    "frog/frog_frog_jump.usda",
    "frog/frog_frog_attack.usda",
)
"""Test assets used for training: characters of which the evaluation suite has no clip at all."""
FLIP_DEGREES = 60.0
"""A mocap joint that turns more than this in one frame is noise (notes of the corpus)."""
FLIPPED_SHARE = 0.34
"""A clip that would lose more than this part of its joints to flips is left out."""
LOOPED_FRAMES = 240
"""Loops shorter than this are repeated up to it: games play them so."""
SHORTEST_FRAMES = 10


@dataclass(frozen=True, eq=False)
class Clip:
    """One motion at :data:`FRAME_RATE`, in units of its own file, Y up."""

    source: str
    """``folder/character``, as in :data:`HELD_OUT`."""
    name: str
    rig: Rig
    poses: Float[np.ndarray, "frame joint 7"]
    """Local rotation (w x y z, sign-continuous) and translation, side by side: training reads both at once."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.poses)

    @property
    def rotations(self) -> Float[np.ndarray, "frame joint 4"]:
        """Local rotations."""
        return self.poses[..., :4]

    @property
    def translations(self) -> Float[np.ndarray, "frame joint 3"]:
        """Local translations."""
        return self.poses[..., 4:]


def make_clip(
    source: str,
    name: str,
    rig: Rig,
    rotations: Float[np.ndarray, "frame joint 4"],
    translations: Float[np.ndarray, "frame joint 3"],
) -> Clip:
    """A clip from its channels, in single precision."""
    return Clip(source, name, rig, np.concatenate([rotations, translations], -1).astype(np.float32))


def take_joints(clip: Clip, keep: Bool[np.ndarray, " joint"]) -> Clip:
    """The clip without some joints; what hangs on a joint that goes must go with it."""
    new_index = np.cumsum(keep) - 1
    parents = clip.rig.parents[keep]
    rig = make_rig(np.where(parents >= 0, new_index[np.maximum(parents, 0)], -1))
    return Clip(clip.source, clip.name, rig, clip.poses[:, keep])


def below(rig: Rig, joints: Bool[np.ndarray, " joint"]) -> Bool[np.ndarray, " joint"]:
    """The joints and all that hangs on them."""
    return skeleton.subtrees(rig.parents)[joints].any(0)


def read_corpus(root: Path, *, held_out: bool, play_loops: bool = True) -> Iterator[Clip]:
    """Clips of the corpus, either those for training or those held out.

    Args:
        root: Folder of the corpus.
        held_out: Which of the two.
        play_loops: Repeat short loops (:func:`looped`).

    Raises:
        FileNotFoundError: The folder holds no ``.npz``.
    """
    paths = sorted(root.glob("**/*.npz"))
    if not paths:
        raise FileNotFoundError(f"{root} holds no .npz of the motion corpus.")
    for path in paths:
        source = path.relative_to(root).with_suffix("").as_posix()
        if source not in LEFT_OUT and (source in HELD_OUT) == held_out:
            yield from _read_character(path, source, play_loops)


def _read_character(path: Path, source: str, play_loops: bool) -> Iterator[Clip]:
    with np.load(path, allow_pickle=False) as file:
        z = {key: file[key] for key in file.files}
    rig = make_rig(z["parents"])
    quaternions = z["rotations"].astype(np.float32)[..., [3, 0, 1, 2]]
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    for i, name in enumerate(z["clip_names"]):
        if str(name).startswith(LEFT_OUT_CLIPS.get(source, ("\0",))):
            continue
        part = slice(z["clip_start"][i], z["clip_start"][i] + z["clip_frames"][i])
        translations = np.repeat(z["clip_offsets"][i][None], part.stop - part.start, 0)
        translations[:, z["translated_joints"]] = z["translations"][part]
        clip = make_clip(source, str(name), rig, quaternions[part], translations)
        mocap = source.startswith("cmu/")
        usable = without_flips(clip, z["clip_max_step"][i].astype(float)) if mocap else clip
        if usable is not None and usable.frames >= SHORTEST_FRAMES:
            yield looped(usable) if play_loops and z["clip_loop"][i] else usable


def without_flips(clip: Clip, max_step: Float[np.ndarray, " joint"]) -> Clip | None:
    """The clip without joints that flip, None where too little remains."""
    gone = below(clip.rig, max_step > FLIP_DEGREES)
    if gone.mean() > FLIPPED_SHARE:
        return None
    return take_joints(clip, ~gone) if gone.any() else clip


def looped(clip: Clip) -> Clip:
    """A short loop played several times; roots that travel go on travelling."""
    period = clip.frames - 1
    times = min(-(-LOOPED_FRAMES // period), 8)
    if times < 2:
        return clip
    index, cycle = np.arange(times * period + 1) % period, np.arange(times * period + 1) // period
    travel = (clip.translations[-1] - clip.translations[0]) * (clip.rig.parents < 0)[:, None]
    travel[:, 1] = 0
    rotations = clip.rotations[index].copy()
    flips = np.sign((rotations[1:] * rotations[:-1]).sum(-1, keepdims=True))
    rotations[1:] *= np.cumprod(np.where(flips < 0, -1.0, 1.0), 0).astype(np.float32)
    translations = clip.translations[index] + cycle[:, None, None] * travel
    return make_clip(clip.source, clip.name, clip.rig, rotations, translations)


def read_assets(root: Path, stages: Iterable[str] = ASSET_STAGES) -> Iterator[Clip]:
    """Clips of the test assets that may be trained on, resampled to :data:`FRAME_RATE`."""
    from engine.priors import offsets
    from usd_io.read.stage import read_shot

    for stage in stages:
        shot = read_shot(str(root / stage), (), meshes=False)
        for character, motion in zip(shot.characters, shot.motions, strict=True):
            if len(motion.times) < SHORTEST_FRAMES:
                continue
            step = motion.time_codes_per_second / FRAME_RATE
            even = offsets.sample(motion, np.arange(motion.times[0], motion.times[-1], step))
            rig = make_rig(character.parents)
            yield make_clip(f"assets/{stage}", motion.animation_path, rig, even.rotations, even.translations)
