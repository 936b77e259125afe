"""The paper's own way to fit (section 3.4 and its public code): frame by frame, from both ends of each gap inwards.

Each frame starts from the one before it; the middle from a slerp of both sides. Adam with a cyclic learning rate
lowers the distance of joints and pictures, held back by the root's straight line and by the rotations it started from.
The result is smoothed and brought to the stage's rate by slerp. Kept for comparison with :mod:`engine.mimic.fit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from engine.geometry import rotations
from engine.geometry.metrics import height
from engine.mimic.fit import Fit, restore_arrays, store_arrays
from engine.mimic.parameters import Unknowns
from engine.mimic.pictures.pyramid import Level, make_level
from engine.planning.plan import Gap
from engine.priors import offsets
from engine.priors.fill import merge
from engine.progress import Progress
from engine.rendering.projection import camera_points, homogeneous_pixels
from engine.rendering.torch_renderer.renderer import Backdrop, render
from usd_io.model import Motion
from usd_io.shapes import Float, Int

STATE = "mimic-paper.npz"
ITERATIONS = 100
JOINTS, PICTURES, ROOT, TURN = 1.0, 50.0, 7000.0, 30000.0
"""Weights of the losses; places in pixels and depths in half picture heights per character height, roots in heights."""
BASE_LR, MAX_LR, STEP_SIZE_UP = 1e-5, 2e-3, 20
"""Of the cyclic learning rate ("triangular2": each peak is half the one before), and steps up."""
PICTURE_SCALE = (0.229, 0.224, 0.225)
"""Colours are compared in these units, the standard deviations of ImageNet."""
MAX_GRAD_NORM = 1.0
STALL = 40
"""After so many steps without a better loss, or when the loss doubles, the best is taken up again."""
MIDDLE = 0.3
"""Part of the way from its own side to the other at which the middle starts."""
SMOOTH_FRAMES = 1.0


@dataclass(eq=False)
class _FittedPoses:
    """Poses of one character at the frames of the video (float32)."""

    rotations: Float[Tensor, "frame joint 4"]
    translations: Float[Tensor, "frame joint 3"]
    scales: Float[Tensor, "frame joint 3"]
    T_world_skel: Float[Tensor, "frame 4 4"]


@dataclass(frozen=True, eq=False)
class _Round:
    """Frames of one character that are fitted together, one or two per gap."""

    frames: Int[Tensor, " frame"]
    rotations: Float[Tensor, "frame joint 4"]
    """Where they start."""
    translations: Float[Tensor, "frame joint 3"]
    line: Float[Tensor, "frame joint 3"]
    """Translations on the straight line between the keys."""


def fit_paper(problem: Fit, progress: Progress, checkpoint_dir: Path | None, mark: str) -> tuple[Motion, ...]:
    """Motions at the frames of the video, smoothed; a stopped fit goes on after its last round."""
    scene = problem.scene
    tracks = [_track(u.base) for u in scene.unknowns]
    # one level of pictures, the finest, compared as they are: the paper has no pyramid and no outline term
    level = make_level(scene, problem.frames, max(problem.settings.heights), 0.0, 1.0)
    # of each character in turn, its rounds from the keys to the middle; other characters stand still meanwhile
    rounds = [(i, r) for i, u in enumerate(scene.unknowns) for r in range(_rounds(u))]
    done = _restore(checkpoint_dir, mark, tracks)
    for number, (index, place) in enumerate(rounds):
        if number < done:
            continue
        work = _round(scene.unknowns[index], tracks[index], place)
        loss = _fit_round(problem, level, tracks, index, work, progress)
        arrays = {
            f"{n}{i}": getattr(t, n).numpy()
            for i, t in enumerate(tracks)
            for n in ("rotations", "translations")
        }
        store_arrays(checkpoint_dir, STATE, arrays, {"mark": mark, "done": number + 1})
        progress.step(number + 1, len(rounds), loss=loss)
    return tuple(_smoothed(u, t) for u, t in zip(scene.unknowns, tracks, strict=True))


def to_unknowns(unknowns: Unknowns, motion: Motion) -> Float[Tensor, "mode parameter"]:
    """The unknowns that give a motion's offsets at the frames of the video: sines are as many as frames."""
    # offsets are B z L^T, with the sines B at the frames of the video: solved for z
    change = torch.from_numpy(offsets.offsets_from(unknowns.base, motion))
    turned = change[:, unknowns.turning][..., offsets.ROTATION].flatten(1)
    moved = change[:, unknowns.moving][..., offsets.TRANSLATION].flatten(1)
    whitened = torch.linalg.solve_triangular(unknowns.mixing, torch.cat([turned, moved], 1).T, upper=False).T
    return torch.linalg.pinv(unknowns.basis) @ whitened


def filled(unknowns: Unknowns, motion: Motion, fill_times: Float[np.ndarray, " fill"]) -> Motion:
    """The motion at the times to fill: slerp between the frames of the video and the keys."""
    if not unknowns.gaps:
        return offsets.sample(unknowns.start, fill_times)
    # keys and fitted frames, brought to the stage's rate (public code: 15 to 30 frames a second by slerp)
    ends = np.unique([t for gap in unknowns.gaps for t in (gap.start, gap.end)])
    made = offsets.sample(merge(offsets.sample(unknowns.start, ends), motion.at(unknowns.free)), fill_times)
    # joints that were not fitted keep the start bit for bit
    base = offsets.sample(unknowns.start, fill_times)
    turned, moved = base.rotations.copy(), base.translations.copy()
    turning, moving = unknowns.turning.numpy(), unknowns.moving.numpy()
    turned[:, turning], moved[:, moving] = made.rotations[:, turning], made.translations[:, moving]
    return replace(base, rotations=turned, translations=moved)


def _track(motion: Motion) -> _FittedPoses:
    arrays = (motion.rotations, motion.translations, motion.scales, motion.T_world_skel)
    return _FittedPoses(*(torch.from_numpy(a.astype(np.float32)) for a in arrays))


def _frames(unknowns: Unknowns, gap: Gap) -> Int[np.ndarray, " frame"]:
    times = unknowns.base.times
    return np.flatnonzero((times > gap.start) & (times < gap.end))


def _rounds(unknowns: Unknowns) -> int:
    return max((-(-len(_frames(unknowns, gap)) // 2) for gap in unknowns.gaps), default=0)


def _round(unknowns: Unknowns, track: _FittedPoses, place: int) -> _Round:
    """The frames at a place counted from both ends of every gap, and where they start."""
    found: list[tuple[int, Tensor, Tensor, Tensor]] = []
    for gap in unknowns.gaps:
        inside = _frames(unknowns, gap)
        if 2 * place >= len(inside):
            continue
        # the frames that far from both ends of the gap; one and the same in the middle of an odd number
        left, right = int(inside[place]), int(inside[-1 - place])
        # a frame starts from its neighbour on the side of its key: that key at first, then what the last round fitted
        keys = _track(offsets.sample(unknowns.start, np.array([gap.start, gap.end])))
        before, after = (
            _KeyPose(keys.rotations[k], keys.translations[k])
            if place == 0
            else _KeyPose(track.rotations[f], track.translations[f])
            for k, f in ((0, left - 1), (1, right + 1))
        )
        # the innermost frames start part of the way towards the other side (public code: slerp by 0.3)
        last = 2 * place + 2 >= len(inside)
        for frame, own, other in {left: (left, before, after), right: (right, after, before)}.values():
            start = own if not last else _towards(own, other)
            # where the straight line between the keys has the root at this frame [stage units]
            part = (unknowns.base.times[frame] - gap.start) / (gap.end - gap.start)
            line = torch.lerp(keys.translations[0], keys.translations[1], float(part))
            found.append((frame, start.rotations, start.translations, line))
    return _Round(
        torch.tensor([frame for frame, *_ in found]),
        torch.stack([turned for _, turned, _, _ in found]),
        torch.stack([moved for *_, moved, _ in found]),
        torch.stack([line for *_, line in found]),
    )


@dataclass(frozen=True, eq=False)
class _KeyPose:
    rotations: Float[Tensor, "joint 4"]
    translations: Float[Tensor, "joint 3"]


def _towards(own: _KeyPose, other: _KeyPose) -> _KeyPose:
    a, b = (pose.rotations.numpy() for pose in (own, other))
    turned = rotations.slerp(a, b, np.full(len(a), MIDDLE, np.float32))
    return _KeyPose(torch.from_numpy(turned), torch.lerp(own.translations, other.translations, MIDDLE))


def _fit_round(
    problem: Fit, level: Level, tracks: Sequence[_FittedPoses], index: int, work: _Round, progress: Progress
) -> float:
    """Fit some frames of one character, the others standing as they are; returns the lowest loss."""
    track, unknowns = tracks[index], problem.scene.unknowns[index]
    # unknown are the rotations of all turning joints and the translation of roots alone
    turning = unknowns.turning
    roots = torch.from_numpy(unknowns.character.parents)[unknowns.moving] < 0
    moving = unknowns.moving[roots]
    size = height(unknowns.character, unknowns.start, unknowns.gaps[0].start)
    begin = work.rotations[:, turning], work.translations[:, moving]
    values = [value.clone().requires_grad_() for value in begin]
    best, least, since, rise = [value.detach().clone() for value in values], float("inf"), 0, 0
    optimiser = torch.optim.Adam(values, lr=BASE_LR)
    for _ in range(ITERATIONS):
        progress.check()
        for group in optimiser.param_groups:
            group["lr"] = _rate(rise)
        # quaternions are free 4-vectors, normalised before use but not in the loss that holds them near their start
        turned = work.rotations.index_copy(1, turning, normalize(values[0], dim=-1))
        moved = work.translations.index_copy(1, moving, values[1])
        # the sum of losses of section 3.4 with the public code's weights: joints and pictures, rotations off their
        # start, the root off its line [heights]
        loss = (
            _distance(problem, level, tracks, index, work.frames, turned, moved, size)
            + TURN * mse_loss(values[0], begin[0])
            + (ROOT * mse_loss(values[1] / size, work.line[:, moving] / size) if len(moving) else 0.0)
        )
        now = float(loss.detach())
        if now < least:
            best, least, since = [value.detach().clone() for value in values], now, 0
        else:
            since += 1
        # loss doubled or stalled: back to the best, with a new optimiser and a new cycle of its rate
        if now > 2 * least or since >= STALL or not np.isfinite(now):
            with torch.no_grad():
                for value, kept in zip(values, best, strict=True):
                    value.copy_(kept)
            optimiser, since, rise = torch.optim.Adam(values, lr=BASE_LR), 0, 0
            continue
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(values, MAX_GRAD_NORM)
        optimiser.step()
        rise += 1
    track.rotations[work.frames] = work.rotations.index_copy(1, turning, normalize(best[0], dim=-1))
    track.translations[work.frames] = work.translations.index_copy(1, moving, best[1])
    return least


def _rate(step: int) -> float:
    # the cycle is two ramps of STEP_SIZE_UP steps, up and down; each peak is half the one before
    cycle, along = divmod(step, 2 * STEP_SIZE_UP)
    return BASE_LR + (MAX_LR - BASE_LR) * max(0.0, 1 - abs(along / STEP_SIZE_UP - 1)) / 2**cycle


def _distance(
    problem: Fit,
    level: Level,
    tracks: Sequence[_FittedPoses],
    index: int,
    frames: Int[Tensor, " frame"],
    turned: Float[Tensor, "frame joint 4"],
    moved: Float[Tensor, "frame joint 3"],
    size: float,
) -> Tensor:
    """How far joints and pictures are from the video."""
    scene, loss = problem.scene, torch.zeros(())
    which = frames.numpy()
    points = []
    for i, (figure, track) in enumerate(zip(scene.figures, tracks, strict=True)):
        # the fitted character as it is tried, the others as they stand
        own = (turned, moved) if i == index else (track.rotations[frames], track.translations[frames])
        T_skel_joint = figure.skin.joint_transforms(own[1], own[0], track.scales[frames])
        above = track.T_world_skel[frames]
        # world vertices of all characters, which the picture shows together
        if figure.unknowns.character.meshes:
            bound = None if figure.bound is None else figure.bound[frames]
            points.append(figure.skin.vertices(T_skel_joint, above, bound))
        joints = problem.joints[i]
        if i == index and joints is not None:
            # joint origins in the world, then in the picture: x, y [pixels] after division by depth [stage units]
            cameras = scene.cameras if len(scene.cameras) == 1 else scene.cameras.at(which)
            world = (above[:, None] @ T_skel_joint)[..., :3, 3]
            pixels = homogeneous_pixels(cameras, camera_points(cameras, world))
            depth = pixels[..., 2:].clamp_min(cameras.near)
            # pixels as they are, depth in half picture heights per character height: what is squared has one unit
            scale = torch.tensor([1, 1, scene.cameras.height / 2 / size])
            off = (torch.cat([pixels[..., :2] / depth, depth], -1) - joints.target[frames].float()) * scale
            loss = loss + JOINTS * (off[:, joints.used] ** 2).mean()
    if problem.settings.image_weight > 0:
        cameras = level.cameras if len(level.cameras) == 1 else level.cameras.at(which)
        backdrop = level.backdrop
        if len(backdrop.rgb) > 1:
            backdrop = Backdrop(backdrop.rgb[frames], backdrop.depth[frames])
        # mean squared error of colours in ImageNet's standard deviations (public code), over all pixels
        drawn = render(
            torch.cat(points, 1), cameras, scene.surface, appearance=scene.appearance, backdrop=backdrop
        )
        apart = (drawn.rgb - level.frames[frames]) / torch.tensor(PICTURE_SCALE)
        loss = loss + PICTURES * (apart**2).mean()
    return loss


def _smoothed(unknowns: Unknowns, track: _FittedPoses) -> Motion:
    """The track as a motion, smoothed over each gap and its keys."""
    turned, moved = track.rotations.double().numpy(), track.translations.double().numpy()
    turned, moved = turned.copy(), moved.copy()
    # a Gaussian over frames, cut off at four standard deviations, of sum 1
    radius = int(4 * SMOOTH_FRAMES)
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * SMOOTH_FRAMES**2))
    kernel /= kernel.sum()
    for gap in unknowns.gaps:
        frames = _frames(unknowns, gap)
        keys = offsets.sample(unknowns.start, np.array([gap.start, gap.end]))
        for values, ends in ((turned, keys.rotations), (moved, keys.translations)):
            # key, fitted frames, key; quaternions with continuous signs, as components are averaged
            run = np.concatenate([ends[:1], values[frames], ends[1:]]).astype(float)
            if values is turned:
                run = rotations.continuous(run)
            # beyond the keys their poses are repeated; unlike the public code's filter this one leaves keys alone
            padded = np.concatenate([run[:1].repeat(radius, 0), run, run[-1:].repeat(radius, 0)])
            values[frames] = sum(k * padded[i : i + len(run)] for i, k in enumerate(kernel))[1:-1]
    base = unknowns.base
    return replace(
        base,
        rotations=rotations.normalise(turned).astype(base.rotations.dtype),
        translations=moved.astype(base.translations.dtype),
    )


def _restore(folder: Path | None, mark: str, tracks: Sequence[_FittedPoses]) -> int:
    """Take up the tracks of a stopped fit; returns how many rounds need not be done again."""
    kept = restore_arrays(folder, STATE)
    if kept is None or kept[1].get("mark") != mark:
        return 0
    for i, track in enumerate(tracks):
        for name in ("rotations", "translations"):
            setattr(track, name, torch.from_numpy(kept[0][f"{name}{i}"]))
    return int(kept[1]["done"])
