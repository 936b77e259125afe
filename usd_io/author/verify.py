"""What is promised of a result, checked on the files before they get their names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pxr import Usd, UsdGeom, UsdSkel

from usd_io.author.layers import Take
from usd_io.check.usd import usd_findings
from usd_io.convert import matrices
from usd_io.errors import AuthorError, shown
from usd_io.model import Motion
from usd_io.read.placement import VARIANT_SET, Placement, animation_of, select_variant

_SPOT_CHECKS = 16
"""Frames compared beside the keys, spread over the range."""

_TOLERANCE = 1e-5
"""Largest error of a joint's matrix, relative to its entries or 1: float32 rounding of rotations."""


def check_take(stage: Usd.Stage, placement: Placement, take: Take) -> None:
    """Refuse a take that does not fit its skeleton or would lose samples, before anything is written.

    Raises:
        AuthorError: Joint count, times, values, keys or confidence are not as promised.
    """
    path = shown(placement.skeleton_path)
    for motion in take.motions:
        _check_motion(motion, placement, path)
    if any(not np.array_equal(motion.times, take.motion.times) for motion in take.others):
        raise AuthorError(f"The takes for <{path}> have different times. Give all of them the same.")
    strays = np.setdiff1d(np.asarray(take.key_times, float), take.motion.times)
    if strays.size:
        raise AuthorError(f"The motion for <{path}> has no frame at its key {strays[0]:g}. Add one there.")
    if take.confidence is not None and take.confidence.shape != take.motion.translations.shape[:2]:
        raise AuthorError(f"The confidence for <{path}> is not one value per frame and joint.")
    _check_range(stage, placement, take.motion.times)


def _check_motion(motion: Motion, placement: Placement, path: str) -> None:
    joints = motion.translations.shape[1]
    if joints == 0:
        raise AuthorError(f"<{path}> has no joints, so there is no motion to write. Choose another skeleton.")
    if joints != len(placement.joints):
        raise AuthorError(
            f"<{path}> has {len(placement.joints)} joints and the motion {joints}. Read it again."
        )
    if len(motion.times) == 0 or not np.all(np.diff(motion.times) > 0):
        raise AuthorError(
            f"The times of the motion for <{path}> do not increase. Sort them, without doubles."
        )
    _check_values(motion.times, {"translations": motion.translations, "scales": motion.scales}, path)
    _check_values(motion.times, {"rotations": motion.rotations}, path)
    off = np.abs(np.linalg.norm(motion.rotations, axis=-1) - 1).max(initial=0.0, axis=1)
    if off.max() > 1e-3:
        time = motion.times[off.argmax()]
        raise AuthorError(f"A rotation for <{path}> at time code {time:g} is not unit length. Normalise it.")


def _check_values(times: np.ndarray, arrays: dict[str, np.ndarray], path: str) -> None:
    for name, values in arrays.items():
        limit = float(np.finfo(np.float16 if name == "scales" else np.float32).max)
        bad = ~(np.abs(values) <= limit).reshape(len(times), -1).all(axis=1)
        if bad.any():
            time = times[bad.argmax()]
            raise AuthorError(
                f"The {name} for <{path}> at time code {time:g} are not finite or beyond {limit:g}."
            )


def _check_range(stage: Usd.Stage, placement: Placement, times: Float[np.ndarray, " frame"]) -> None:
    """Samples of the source outside the motion would be lost: nothing of a hidden animation shows through."""
    if placement.source_animation_path is None:
        return
    animation = UsdSkel.Animation(stage.GetPrimAtPath(placement.source_animation_path))
    attributes = [animation.GetTranslationsAttr(), animation.GetRotationsAttr(), animation.GetScalesAttr()]
    source = [time for attribute in attributes for time in attribute.GetTimeSamples()]
    slack = 1e-6 * max(1.0, float(np.abs(times).max()))
    if source and (min(source) < times[0] - slack or max(source) > times[-1] + slack):
        raise AuthorError(
            f"The motion covers time codes {times[0]:g} to {times[-1]:g}, but <{shown(animation.GetPath())}> "
            f"has samples from {min(source):g} to {max(source):g}, which would be lost. Give the full range."
        )


def verify_result(root: Path, stage: Usd.Stage, takes: Sequence[tuple[Placement, Take]]) -> None:
    """Open what was written and compare it with what was asked for.

    Args:
        root: Root layer of the result.
        stage: The source stage.
        takes: What the result must hold.

    Raises:
        AuthorError: The result differs, or USD's validators find errors that the source does not have.
    """
    result = Usd.Stage.Open(str(root))
    # a source without a range gets one, so that a viewer plays the result
    ranged = stage.HasAuthoredTimeCodeRange()
    if _metrics(result, ranged) != _metrics(stage, ranged):
        raise AuthorError(f"The result has other stage metrics than the source: {_metrics(result, ranged)}.")
    for placement, take in takes:
        for number, motion in enumerate(take.motions):
            if placement.variants is not None:
                select_variant(result, placement.variants, number)
            _verify_binding(result, placement)
            _verify_values(result, placement, motion, take.key_times)
    known = {(found.rule, found.prim) for found in usd_findings(stage)}
    for found in usd_findings(result):
        if found.severity == "error" and (found.rule, found.prim) not in known:
            raise AuthorError(
                f"The result would not be valid: {found.rule} at <{found.prim}>: {found.message}"
            )


def _metrics(stage: Usd.Stage, with_range: bool) -> tuple[object, ...]:
    default = stage.GetDefaultPrim()
    metrics = (
        str(UsdGeom.GetStageUpAxis(stage)),
        UsdGeom.GetStageMetersPerUnit(stage),
        stage.GetTimeCodesPerSecond(),
        stage.GetFramesPerSecond(),
        str(default.GetPath()) if default else None,
    )
    return (*metrics, stage.GetStartTimeCode(), stage.GetEndTimeCode()) if with_range else metrics


def _verify_binding(result: Usd.Stage, placement: Placement) -> None:
    skeleton = result.GetPrimAtPath(placement.skeleton_path)
    bound = animation_of(skeleton) if skeleton else None
    if bound is not None and str(bound.GetPath()) == placement.animation_path:
        return
    where = f"<{shown(placement.skeleton_path)}>"
    if placement.variants is None or placement.variants.set != VARIANT_SET:
        raise AuthorError(f"{where} keeps its animation whatever a stronger layer says. Use another mode.")
    rel = skeleton.GetProperty("skel:animationSource")
    strongest = rel.GetPropertyStack(Usd.TimeCode.Default())[0].layer
    raise AuthorError(
        f"The layer {shown(strongest.realPath or strongest.identifier)} binds {where} with a local opinion, "
        "which is stronger than any variant. Use the mode rebind, or reference the character instead."
    )


def _verify_values(
    result: Usd.Stage, placement: Placement, motion: Motion, key_times: Sequence[float]
) -> None:
    animation = UsdSkel.Animation(result.GetPrimAtPath(placement.animation_path))
    query = UsdSkel.Cache().GetAnimQuery(animation)
    order = list(placement.joint_order)
    if not query or list(query.GetJointOrder()) != [placement.joints[joint] for joint in order]:
        raise AuthorError(
            f"USD does not accept the animation written to <{shown(placement.animation_path)}>."
        )
    frames = _frames_to_check(motion, key_times)
    expected = _local_matrices(motion, frames)[:, order]
    for time, pose in zip(motion.times[frames].tolist(), expected, strict=True):
        read = query.ComputeJointLocalTransforms(time)
        if read is None or not _equal(matrices(read), pose):
            raise AuthorError(
                f"The pose read back from <{shown(placement.animation_path)}> at time code {time:g} is not the "
                "one written. Use the mode rebind."
            )


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= _TOLERANCE * np.maximum(1, np.abs(b))))


def _frames_to_check(motion: Motion, key_times: Sequence[float]) -> np.ndarray:
    times = motion.times
    spread = np.linspace(0, len(times) - 1, min(_SPOT_CHECKS, len(times))).astype(int)
    return np.union1d(spread, np.searchsorted(times, np.asarray(key_times, float)))


def _local_matrices(motion: Motion, frames: np.ndarray) -> Float[np.ndarray, "frame joint 4 4"]:
    """Translate @ rotate @ scale, with the scales rounded to the half precision that USD stores."""
    w, x, y, z = np.moveaxis(motion.rotations[frames].astype(np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    rotation = np.stack([np.stack(row, -1) for row in rows], -2)
    result = np.tile(np.eye(4), (*w.shape, 1, 1))
    scales = motion.scales[frames].astype(np.float16).astype(np.float64)
    result[..., :3, :3] = rotation * scales[..., None, :]
    result[..., :3, 3] = motion.translations[frames]
    return result
