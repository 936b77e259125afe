"""What is promised of a result, checked on the files before they get their names, by UsdSkel itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel

from usd_io.author.samples import EVERYWHERE, Filling, Placed, Take
from usd_io.check.usd import usd_findings
from usd_io.convert import AnyQuery
from usd_io.errors import AuthorError, counted, shown, timecode
from usd_io.judge import Comparison, Judge, channel_attributes
from usd_io.model import CHANNELS, Motion
from usd_io.read.placement import MODE, Placement, binding_problem
from usd_io.shapes import Float

_SPOT_CHECKS = 16
"""Filled frames read back, spread over the range."""


def check_take(stage: Usd.Stage, placement: Placement, path: str, take: Take) -> None:
    """Refuse a take that does not fit its skeleton or would lose samples, before anything is written.

    Raises:
        AuthorError: Joint count, times, values, keys or confidence are not as promised.
    """
    count = len(UsdSkel.Skeleton(stage.GetPrimAtPath(path)).GetJointsAttr().Get() or ())
    path = shown(path)
    for motion in take.motions:
        _check_motion(motion, count, path)
    if any(not np.array_equal(motion.times, take.motion.times) for motion in take.others):
        raise AuthorError(f"The takes for <{path}> have different times. Give all of them the same.")
    strays = np.setdiff1d(np.asarray(take.key_times, float), take.motion.times)
    if strays.size:
        raise AuthorError(
            f"The motion for <{path}> has no frame at its key {timecode(strays[0])}. Add one there."
        )
    if take.confidence is not None and take.confidence.shape != take.motion.translations.shape[:2]:
        raise AuthorError(f"The confidence for <{path}> is not one value per frame and joint.")
    if any(EVERYWHERE in take.gaps_of(channel) for channel in CHANNELS):
        _check_range(stage, placement, take.motion.times)


def _check_motion(motion: Motion, count: int, path: str) -> None:
    joints = motion.translations.shape[1]
    if joints == 0:
        raise AuthorError(f"<{path}> has no joints, so there is no motion to write. Choose another skeleton.")
    if joints != count:
        raise AuthorError(f"<{path}> has {counted(count, 'joint')} and the motion {joints}. Read it again.")
    if len(motion.times) == 0 or not np.all(np.diff(motion.times) > 0):
        raise AuthorError(
            f"The times of the motion for <{path}> do not increase. Sort them, without doubles."
        )
    _check_values(motion.times, {"translations": motion.translations, "scales": motion.scales}, path)
    _check_values(motion.times, {"rotations": motion.rotations}, path)
    lengths = np.sqrt(np.einsum("fjc,fjc->fj", motion.rotations, motion.rotations))
    off = np.abs(lengths - 1).max(initial=0.0, axis=1)
    if off.max() > 1e-3:
        time = motion.times[off.argmax()]
        raise AuthorError(
            f"A rotation for <{path}> at time code {timecode(time)} is not unit length. Normalise it."
        )


def _check_values(times: np.ndarray, arrays: dict[str, np.ndarray], path: str) -> None:
    for name, values in arrays.items():
        limit = float(np.finfo(np.float16 if name == "scales" else np.float32).max)
        bad = ~((values <= limit) & (values >= -limit)).reshape(len(times), -1).all(axis=1)
        if bad.any():
            time = times[bad.argmax()]
            raise AuthorError(
                f"The {name} for <{path}> at time code {timecode(time)} are not finite or beyond {limit:g}."
            )


def _check_range(stage: Usd.Stage, placement: Placement, times: Float[np.ndarray, " frame"]) -> None:
    """Samples of the source outside the motion would be lost: nothing of a hidden animation shows through."""
    if placement.source_animation_path is None:
        return
    animation = UsdSkel.Animation(stage.GetPrimAtPath(placement.source_animation_path))
    source = [time for each in channel_attributes(animation).values() for time in each.GetTimeSamples()]
    slack = 1e-6 * max(1.0, float(np.abs(times).max()))
    if source and (min(source) < times[0] - slack or max(source) > times[-1] + slack):
        raise AuthorError(
            f"The motion covers time codes {timecode(times[0])} to {timecode(times[-1])}, but "
            f"<{shown(animation.GetPath())}> has samples from {timecode(min(source))} to {timecode(max(source))}, "
            "which would be lost. Give the full range."
        )


def verify_result(root: Path, stage: Usd.Stage, placed: Sequence[Placed]) -> tuple[Comparison, ...]:
    """Open what was written and compare it with the source and with what was requested.

    Args:
        root: Root layer of the result.
        stage: The source stage.
        placed: What the result must hold.

    Returns:
        Of the first take, how each skeleton compares with the source outside of the gaps.

    Raises:
        AuthorError: The result differs, or USD's validators find errors that the source does not have.
    """
    result = Usd.Stage.Open(str(root))
    # a source without a range gets one, so that a viewer plays the result
    ranged = stage.HasAuthoredTimeCodeRange()
    if _metrics(result, ranged) != _metrics(stage, ranged):
        raise AuthorError(f"The result has other stage metrics than the source: {_metrics(result, ranged)}.")
    most = max(len(next(iter(takes.values())).motions) for _, takes in placed)
    compared: tuple[Comparison, ...] = ()
    for number in reversed(range(most)):
        shown_now = [(p, t) for p, t in placed if number < len(next(iter(t.values())).motions)]
        for placement, _ in shown_now:
            placement.select(result, number)
        judge = Judge(stage, result)
        compared = tuple(
            found
            for placement, takes in shown_now
            for found in _verify(judge, result, stage, placement, takes, number)
        )
    known = {(found.rule, found.prim) for found in usd_findings(stage)}
    for found in usd_findings(result):
        if found.severity == "error" and (found.rule, found.prim) not in known:
            raise AuthorError(
                f"The result would not be valid: {found.rule} at <{found.prim}>: {found.message}"
            )
    return compared


def _verify(
    judge: Judge,
    result: Usd.Stage,
    stage: Usd.Stage,
    placement: Placement,
    takes: Mapping[str, Take],
    number: int,
) -> Iterator[Comparison]:
    filling = Filling(stage, placement, takes)
    for binding in placement.bindings:
        problem = binding_problem(result, placement, binding, number)
        if problem:
            raise AuthorError(problem, settings=MODE)
    _verify_filled(result, placement, filling, number)
    if placement.source_animation_path is None or any(EVERYWHERE in own for own in filling.gaps.values()):
        return
    keys = next(iter(takes.values())).key_times
    seen: dict[tuple[str, ...], Comparison] = {}
    for path in placement.skeleton_paths:
        # one skeleton speaks for all others of a crowd that have the same joints and animation
        rig = judge.joints(path)
        if rig not in seen:
            seen[rig] = judge.compare(path, keys, filling.gaps)
            _refuse_difference(seen[rig], placement)
        yield replace(seen[rig], skeleton=path)


def _refuse_difference(found: Comparison, placement: Placement) -> None:
    if found.exact:
        return
    what = f"{found.unequal[0][0]} differ" if found.unequal else f"the pose is {found.distance:g} off"
    when = "" if found.time is None else f" at time code {timecode(found.time)}"
    raise AuthorError(
        f"What <{shown(placement.animation_path)}> shows outside of the gaps is not what the source shows: "
        f"{what}{when} for <{shown(found.skeleton)}>. Use the mode rebind.",
        settings=MODE,
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


def _verify_filled(result: Usd.Stage, placement: Placement, filling: Filling, number: int) -> None:
    """USD accepts the animation and shows in the gaps what was made, to the precision that it stores."""
    animation = UsdSkel.Animation(result.GetPrimAtPath(placement.animation_paths[number]))
    query = UsdSkel.Cache().GetAnimQuery(animation)
    where = f"<{shown(placement.animation_paths[number])}>"
    if not query or list(query.GetJointOrder()) != list(placement.joints):
        raise AuthorError(f"USD does not accept the animation written to {where}.")
    for channel, attribute in channel_attributes(animation).items():
        times = filling.filled_times(channel)
        spots = times[np.unique(np.linspace(0, len(times) - 1, min(_SPOT_CHECKS, len(times))).astype(int))]
        read = AnyQuery(attribute)
        for time, wanted in zip(spots.tolist(), filling.values(channel, spots, number), strict=True):
            value = read.at(time)
            if value is None or value.shape != wanted.shape or not _same(value, wanted, channel):
                raise AuthorError(
                    f"The {channel} read back from {where} at time code {timecode(time)} are not those written. "
                    "Use the mode rebind.",
                    settings=MODE,
                )


def _same(a: np.ndarray, b: np.ndarray, channel: str) -> bool:
    if channel == "rotations":
        b = b * np.where((a * b).sum(-1, keepdims=True) < 0, -1, 1)  # signs follow the neighbours
    rounded = b.astype(np.float16) if channel == "scales" else b
    return bool(np.array_equal(a, rounded.astype(np.float32)))
