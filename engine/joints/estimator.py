"""A trained estimator: from frames of a video to evidence of joints; and its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import DataError
from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.joints.evidence import JointEvidence
from engine.joints.features import load_frozen
from engine.joints.loss import Spread, entropy
from engine.joints.network import EstimatorNetwork, JointPrediction
from engine.joints.samples import TrainingScene, resized
from engine.joints.settings import EstimatorSettings
from engine.rendering.camera import Cameras
from engine.rendering.threads import limited_threads
from usd_io.errors import counted
from usd_io.shapes import Bool, Float

IMAGES_AT_ONCE = 16
FORMAT = 2


@dataclass(frozen=True, eq=False)
class Estimator:
    """What was learnt of some characters in a scene."""

    network: EstimatorNetwork
    scene: TrainingScene
    seen: tuple[Bool[np.ndarray, " joint"], ...]
    """Joints that pictures can show, for each character."""
    spread: Spread
    typical: float
    """Mean entropy of the heatmaps over pictures of the characters that were not trained on [nats]."""
    provenance: dict[str, Any]
    """Settings, losses and held-out errors."""


@torch.no_grad()
def predict(
    network: EstimatorNetwork, images: Float[Tensor, "image 3 height width"], lens: Float[Tensor, "image 4"]
) -> JointPrediction:
    """Predictions of any number of pictures, a few at a time, on the network's device."""
    network.eval()
    device = network.embedding.device
    parts = [
        network(images[i : i + IMAGES_AT_ONCE].to(device), lens[i : i + IMAGES_AT_ONCE].to(device))
        for i in range(0, len(images), IMAGES_AT_ONCE)
    ]
    return JointPrediction(*(torch.cat([getattr(p, name) for p in parts]).cpu() for name in vars(parts[0])))


def estimate(
    estimator: Estimator, frames: Float[Tensor, "frame 3 height width"], cameras: Cameras
) -> tuple[JointEvidence, ...]:
    """What frames of a video say of the joints.

    Args:
        estimator: Trained on these characters.
        frames: Display-referred RGB in [0, 1].
        cameras: The video's: one, or one per frame, of the size of the frames.

    Returns:
        One for each character, in the order they were trained in. Where :func:`presence` finds no character, all errors
        are as large as the picture and the character.

    Raises:
        DataError: Frames and cameras are not of one size and number.
    """
    prediction = _predict_frames(estimator, frames, cameras)
    scene, count = estimator.scene, len(frames)
    absent = _presence(estimator, prediction) < PRESENT
    scale = torch.tensor([cameras.width / scene.size[1], cameras.height / scene.size[0]])
    xy = (prediction.xy * scale).double().numpy()
    depth = prediction.depth.double().numpy() * scene.height
    depth = depth + np.broadcast_to(scene.reference_depth(cameras), (count,))[:, None]
    sigma = torch.exp(prediction.log_xy_sigma.clamp(-4, 7)) * estimator.spread.xy * scale.mean()
    xy_sigma = torch.where(absent[:, None], cameras.width / 2.0, sigma).double().numpy()
    sigma = torch.exp(prediction.log_depth_sigma.clamp(-7, 2)) * estimator.spread.depth * scene.height
    depth_sigma = torch.where(absent[:, None], 2 * scene.height, sigma).double().numpy()
    result, first = [], 0
    for seen in estimator.seen:
        part = slice(first, first + int(seen.sum()))
        first = part.stop
        result.append(
            JointEvidence(
                xy=_spread_out(xy[:, part], seen),
                depth=_spread_out(depth[:, part], seen),
                xy_sigma=_spread_out(xy_sigma[:, part], seen),
                depth_sigma=_spread_out(depth_sigma[:, part], seen),
                seen=seen,
                depth_common_sigma=np.sqrt(estimator.spread.common * (depth_sigma[:, part] ** 2).mean(1)),
            )
        )
    return tuple(result)


def _spread_out(
    values: Float[np.ndarray, "frame seen *channel"], seen: Bool[np.ndarray, " joint"]
) -> Float[np.ndarray, "frame joint *channel"]:
    """Values of the seen joints among all joints; zeros elsewhere."""
    result = np.zeros((len(values), len(seen), *values.shape[2:]))
    result[:, seen] = values
    return result


PRESENT = 0.5
"""Frames of less :func:`presence` are taken not to show the characters."""
TOLERANCE, STEEPNESS = 1.0, 5.0
"""How much larger than usual the entropy of the heatmaps is where presence is a half [nats], and how steep it is."""


def presence(
    estimator: Estimator, frames: Float[Tensor, "frame 3 height width"], cameras: Cameras
) -> Float[np.ndarray, " frame"]:
    """How much each frame looks as if it showed the characters, 0 to 1; below :data:`PRESENT` it is taken not to.

    Args:
        estimator: Trained on these characters.
        frames: Display-referred RGB in [0, 1].
        cameras: The video's, as for :func:`estimate`.

    Raises:
        DataError: Frames and cameras are not of one size and number.
    """
    return _presence(estimator, _predict_frames(estimator, frames, cameras)).double().numpy()


def _presence(estimator: Estimator, prediction: JointPrediction) -> Float[Tensor, " frame"]:
    return torch.sigmoid(STEEPNESS * (TOLERANCE + estimator.typical - entropy(prediction)))


def _predict_frames(
    estimator: Estimator, frames: Float[Tensor, "frame 3 height width"], cameras: Cameras
) -> JointPrediction:
    count, size = len(frames), tuple(frames.shape[2:])
    if size != (cameras.height, cameras.width) or len(cameras) not in (1, count):
        raise DataError(
            f"the video has {counted(count, 'frame')} of {size[1]} x {size[0]} pixels, its camera "
            f"{counted(len(cameras), 'place')} and "
            f"{cameras.width} x {cameras.height} pixels."
        )
    with limited_threads():
        images = _resize(frames, estimator.scene.size)
        lens = estimator.scene.lens(resized(cameras, estimator.scene.size)).expand(count, -1)
        return predict(estimator.network, images, lens)


def _resize(
    frames: Float[Tensor, "frame 3 _ _"], size: tuple[int, int]
) -> Float[Tensor, "frame 3 height width"]:
    if tuple(frames.shape[2:]) == size:
        return frames
    return interpolate(frames, size=list(size), mode="bilinear", antialias=True, align_corners=False).clamp(
        0, 1
    )


def build_network(joints: int, settings: EstimatorSettings) -> EstimatorNetwork:
    """An untrained network, the same for the same seed.

    Raises:
        ResourceMissing: The frozen features are not at hand.
        DataError: Their files are damaged or other ones.
    """
    frozen: Sequence[torch.nn.Module] = ()
    if settings.features != "scratch":
        frozen = load_frozen()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return EstimatorNetwork(joints, frozen)


def save_estimator(path: Path, estimator: Estimator) -> None:
    """Write an estimator as safetensors, whole or not at all; frozen features are not part of it."""
    tensors = {f"network.{name}": value for name, value in estimator.network.state_dict().items()}
    tensors |= {"spread.xy": estimator.spread.xy, "spread.depth": estimator.spread.depth}
    tensors["scene.reference"] = torch.from_numpy(estimator.scene.reference)
    for i, seen in enumerate(estimator.seen):
        tensors[f"seen.{i}"] = torch.from_numpy(seen)
    meta = {"format": FORMAT, "height": estimator.scene.height, "size": estimator.scene.size}
    meta |= {"typical": estimator.typical, "common": estimator.spread.common}
    meta |= {"provenance": estimator.provenance}
    save_tensors(path, tensors, meta)


def load_estimator(path: Path) -> Estimator:
    """Read back what :func:`save_estimator` wrote.

    Raises:
        ResourceMissing: There is no such file, or the frozen features that it was trained on are not at hand.
        DataError: It is damaged, or something else.
    """
    meta, tensors = load_meta(path), load_tensors(path)
    if meta.get("format") != FORMAT:
        raise DataError(f"{path} holds no joint estimator of this version; train it again.")
    try:
        settings = EstimatorSettings(**meta["provenance"]["settings"])
        seen = tuple(tensors[f"seen.{i}"].numpy() for i in range(sum(n.startswith("seen.") for n in tensors)))
        network = build_network(sum(int(s.sum()) for s in seen), settings)
        state = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        network.load_state_dict(state, strict=True)
        rows, columns = meta["size"]
        scene = TrainingScene(
            tensors["scene.reference"].numpy(), float(meta["height"]), (int(rows), int(columns))
        )
        spread = Spread(tensors["spread.xy"], tensors["spread.depth"], float(meta["common"]))
        return Estimator(network.eval(), scene, seen, spread, float(meta["typical"]), meta["provenance"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} holds no joint estimator that can be used: {error}.") from error
