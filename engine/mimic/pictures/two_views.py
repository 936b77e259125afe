"""Two videos of one motion as one whose frames have a camera each, so that a fit weighs what both show.

What one view hides, or cannot tell for it lies along its axis, the other one shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.files.video import Video
from engine.files.video_file import check_aspects
from engine.joints.evidence import JointEvidence
from engine.mimic.parameters import SAME_TIME_S
from engine.mimic.pictures.pyramid import resample
from engine.rendering.camera import Cameras, join_cameras
from engine.rendering.torch_renderer.renderer import Backdrop
from engine.rendering.views import View
from usd_io.shapes import Int


@dataclass(frozen=True, eq=False)
class Seen:
    """A video with all that is known of it."""

    video: Video
    view: View
    """From where it was taken."""
    evidence: Sequence[JointEvidence | None]
    """Joints in its frames, in pixels of the view's cameras; one entry per character."""


def joined(first: Seen, second: Seen) -> Seen:
    """Both videos in the order of their times, each frame with its own camera and background.

    Frames of the same time stay apart by less than :data:`engine.mimic.parameters.SAME_TIME_S`; evidence of a character
    counts only where both videos have some.

    Raises:
        DataError: The videos differ in aspect ratio.
    """
    height, width = first.view.cameras.height, first.view.cameras.width
    check_aspects((height, width), (second.view.cameras.height, second.view.cameras.width))
    second = _at_size(second, height, width)
    times = np.concatenate([first.video.times, second.video.times])
    order = np.argsort(times, kind="stable")
    rising = times[order]
    # the later of two frames of one moment is put off by half of what still counts as one
    same = np.concatenate([[False], np.diff(rising) < SAME_TIME_S / 2])
    frames = torch.cat([first.video.frames, second.video.frames])[order]
    whole = Video(tuple((rising + same * SAME_TIME_S / 2).tolist()), frames)
    # one camera per frame, a still one repeated, in the common order of times
    counts = len(first.video.times), len(second.video.times)
    cameras = join_cameras(
        [_each(seen.view.cameras, n) for seen, n in zip((first, second), counts, strict=True)]
    ).at(order)
    view = View("both", cameras, _backdrops(first, second, order))
    evidence = [_evidence(a, b, order) for a, b in zip(first.evidence, second.evidence, strict=True)]
    return Seen(whole, view, evidence)


def _at_size(seen: Seen, height: int, width: int) -> Seen:
    """The video, its camera and its evidence for pictures of another size."""
    cameras = seen.view.cameras
    if (cameras.height, cameras.width) == (height, width):
        return seen
    # pixels of the new picture per pixel of the old, along x and y: focal lengths, centre and evidence are in pixels
    scale = np.array([width / cameras.width, height / cameras.height])
    resized = replace(
        cameras, focal=cameras.focal * scale, centre=cameras.centre * scale, height=height, width=width
    )
    backdrop = seen.view.backdrop
    if backdrop is not None:
        rgb = resample(backdrop.rgb.permute(0, 3, 1, 2), height, width).permute(0, 2, 3, 1)
        depth = torch.nn.functional.interpolate(backdrop.depth[:, None], (height, width), mode="nearest")
        backdrop = Backdrop(rgb, depth[:, 0])
    evidence = [
        None if e is None else replace(e, xy=e.xy * scale, xy_sigma=e.xy_sigma * scale.mean())
        for e in seen.evidence
    ]
    video = replace(seen.video, frames=resample(seen.video.frames, height, width))
    return Seen(video, View(seen.view.name, resized, backdrop), evidence)


def _each(cameras: Cameras, frames: int) -> Cameras:
    """A camera for each frame."""
    return cameras if len(cameras) == frames else cameras.at(np.zeros(frames, int))


def _backdrops(first: Seen, second: Seen, order: Int[np.ndarray, " frame"]) -> Backdrop | None:
    """What stands behind each frame; white where one of the videos has nothing."""
    if first.view.backdrop is None and second.view.backdrop is None:
        return None
    rgb, depth = [], []
    for seen in (first, second):
        count, cameras, backdrop = len(seen.video.times), seen.view.cameras, seen.view.backdrop
        if backdrop is None:
            size = 1, cameras.height, cameras.width
            backdrop = Backdrop(torch.ones(*size, 3), torch.full(size, torch.inf))
        rgb.append(backdrop.rgb.expand(count, -1, -1, -1))
        depth.append(backdrop.depth.expand(count, -1, -1))
    return Backdrop(torch.cat(rgb)[order], torch.cat(depth)[order])


def _evidence(
    first: JointEvidence | None, second: JointEvidence | None, order: Int[np.ndarray, " frame"]
) -> JointEvidence | None:
    if first is None or second is None:
        return None

    def both(name: str) -> np.ndarray:
        return np.concatenate([getattr(first, name), getattr(second, name)])[order]

    common = None
    if first.depth_common_sigma is not None and second.depth_common_sigma is not None:
        common = both("depth_common_sigma")
    arrays = {name: both(name) for name in ("xy", "depth", "xy_sigma", "depth_sigma")}
    return JointEvidence(**arrays, seen=first.seen, depth_common_sigma=common)
