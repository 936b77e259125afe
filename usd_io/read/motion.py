"""SkelAnimation -> Motion: every joint of the skeleton at every sample, checked.

UsdSkel says which joints map where; the samples themselves are read attribute by attribute. Asking UsdSkel
for every frame instead costs several times as much (``scripts/bench_read.py``).
"""

from dataclasses import replace

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel, Vt

from usd_io import convert
from usd_io.clips import unset_times
from usd_io.diagnostics import captured
from usd_io.errors import StageReadError, counted, shown, timecode
from usd_io.judge import channel_attributes
from usd_io.model import Channel, Motion
from usd_io.read.samples import Samples, Values, place, sample
from usd_io.read.skeleton import (
    BoundSkeleton,
    RestPose,
    ancestry,
    binds,
    bound_skeleton,
    names_animation,
    rest_pose,
)
from usd_io.shapes import Bool, Float, Int

_IGNORED = "USD then ignores the animation and shows the rest pose."
_ONE_TIME = 1e-6
"""Samples closer than this part of a frame are at one time."""

Times = Float[np.ndarray, " frame"]
Joints = Float[np.ndarray, "frame joint channel"]
Vectors = Float[np.ndarray, "frame joint 3"]
Quaternions = Float[np.ndarray, "frame joint 4"]
Places = Int[np.ndarray, " joint"]


def read_motion(stage: Usd.Stage, skeleton_path: str, times: Times | None = None) -> Motion:
    """The local joint transforms of one skeleton.

    Args:
        stage: As :func:`usd_io.read.stage.open_stage` gives it.
        skeleton_path: Prim path of the skeleton.
        times: Stage time codes, strictly increasing, at which to sample as USD does: linear, slerp, or held.
            None takes the authored joint samples. With times, a skeleton without animation or with fewer
            than two samples can be read too, as the still that USD shows.

    Raises:
        StageReadError: The skeleton has no animation, too few samples, or values that cannot be used.
    """
    with captured():  # what USD would say of an animation, the checks here say with a place and a remedy
        skeleton = bound_skeleton(stage, skeleton_path)
        authored = times is None
        times = _given_times(times) if times is not None else _authored_times(skeleton)
        source = _source_places(skeleton)
        translations, rotations, scales, valued, warnings = _local_transforms(skeleton, source, times)
        names, weights = _blend_weights(skeleton, times)
        motion = Motion(
            times=times,
            translations=translations,
            rotations=rotations,
            scales=scales,
            T_world_skel=_world(skeleton, times),
            time_codes_per_second=stage.GetTimeCodesPerSecond(),
            frame_rate=stage.GetFramesPerSecond(),
            animation_path=str(skeleton.animation.GetPath()) if skeleton.animation else "",
            animated=None if (source >= 0).all() else source >= 0,
            blend_shapes=names,
            blend_weights=weights,
            warnings=warnings,
        )
        return _as_authored(motion, skeleton, valued) if authored else motion


def joint_sample_times(stage: Usd.Stage, skeleton_path: str) -> Times:
    """Times at which a joint channel of a skeleton has an authored sample, increasing; none where nothing animates it.

    Raises:
        StageReadError: There is no such skeleton.
    """
    own = bound_skeleton(stage, skeleton_path).channel_times.values()
    return np.unique(np.concatenate([np.zeros(0), *own]))


def _as_authored(motion: Motion, skeleton: BoundSkeleton, valued: Bool[np.ndarray, " frame"]) -> Motion:
    """The motion with what its samples are: those of each channel where they differ, and where there is no value."""
    breaks = _breaks(motion.times, valued)
    sampled = _set_times(skeleton)
    everywhere = np.concatenate([np.zeros(0), *sampled.values()])
    valued = valued & ~_phantoms(motion) & (np.isin(motion.times, everywhere) | (len(everywhere) == 0))
    times = motion.times[valued]
    if len(times) < 2:
        raise StageReadError(_no_motion(skeleton, times))
    own = {name: np.intersect1d(found, times) for name, found in sampled.items()}
    alike = all(np.array_equal(found, times) for found in own.values())
    return replace(
        motion.at(valued),
        channel_times={} if alike else {name: tuple(found.tolist()) for name, found in own.items()},
        breaks=breaks,
    )


def _set_times(skeleton: BoundSkeleton) -> dict[Channel, Times]:
    """Samples of each channel without those that value clips only hold or interpolate."""
    if skeleton.animation is None:
        return {}
    attributes = channel_attributes(skeleton.animation)
    return {c: np.setdiff1d(t, unset_times(attributes[c])) for c, t in skeleton.channel_times.items()}


def _breaks(times: Times, valued: Bool[np.ndarray, " frame"]) -> tuple[tuple[float, float], ...]:
    """From the last sample before each run of blocked ones to the first behind it."""
    if valued.all():
        return ()
    always = np.finfo(float).max
    known = np.concatenate([[-always], times[valued], [always]])
    after = np.searchsorted(known, times[~valued])
    return tuple((float(known[n - 1]), float(known[n])) for n in np.unique(after).tolist())


def _given_times(times: Times) -> Times:
    times = np.asarray(times, np.float64)
    if not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError(f"times must be finite and strictly increasing, not {times}")
    return times


def _authored_times(skeleton: BoundSkeleton) -> Times:
    if skeleton.animation is None:
        raise StageReadError(_why_unbound(skeleton))
    times = skeleton.sample_times()
    if len(times) >= 2:
        return times
    raise StageReadError(_no_motion(skeleton, times))


def _phantoms(motion: Motion) -> Bool[np.ndarray, " frame"]:
    """Samples that no one has set: USD reports one just before each jump of value clips, whether the clip has a sample
    there or only holds the pose of an earlier one. A pose that is reached only there is what the motion before the jump
    leads to, and stays; so does any in finished motion, which is copied as USD has it and needs none of them here."""
    times, frame = motion.times, motion.frame_step
    found = np.append(np.diff(times) <= _ONE_TIME * frame, False)
    for at in np.flatnonzero(found).tolist():
        apart = at > 0 and times[at] - times[at - 1] > (1 + _ONE_TIME) * frame
        channels = (motion.translations, motion.rotations, motion.scales)
        found[at] = not apart or all(np.array_equal(c[at], c[at - 1]) for c in channels)
    return found


def _no_motion(skeleton: BoundSkeleton, times: Times) -> str:
    assert skeleton.animation is not None
    found = (
        f"one sample, at time code {timecode(times[0])},"
        if len(times)
        else "no time samples, at most a default value,"
    )
    return (
        f"{place(skeleton.animation.GetRotationsAttr())}: the animation has {found} and so no motion; "
        "key it at two times or more."
    )


def _why_unbound(skeleton: BoundSkeleton) -> str:
    no_animation = f"<{skeleton.path}>: the skeleton has no animation"
    lacking = next(
        (prim for prim in ancestry(skeleton.prim) if names_animation(prim) and not binds(prim)), None
    )
    if lacking is not None:
        return (
            f"{no_animation}: SkelBindingAPI is not applied to <{lacking.GetPath()}>, so USD ignores the binding; "
            'apply it (prepend apiSchemas = ["SkelBindingAPI"]).'
        )
    if skeleton.binding is None:
        return f"{no_animation}; bind one with skel:animationSource on it or on a prim above."
    targets = UsdSkel.BindingAPI(skeleton.binding).GetAnimationSourceRel().GetTargets()
    state = f"names <{targets[0]}>, which is no active SkelAnimation" if targets else "is blocked"
    return f"{no_animation}: skel:animationSource of <{skeleton.binding.GetPath()}> {state}; bind it to one."


def _source_places(skeleton: BoundSkeleton) -> Places:
    """Place of each joint in the animation's own order, -1 where it lacks the joint, as UsdSkel maps it."""
    animation = skeleton.animation
    names = (animation.GetJointsAttr().Get() or []) if animation else []
    mapper = UsdSkel.AnimMapper(names, Vt.TokenArray(skeleton.joints))
    places = convert.integers(mapper.Remap(Vt.IntArray(range(len(names))), Vt.IntArray(), 1, -1))
    if animation and not (places >= 0).any() and animation.GetRotationsAttr().HasAuthoredValue():
        raise StageReadError(
            f"<{animation.GetPath()}>: none of its {counted(len(names), 'joint')} belongs to <{skeleton.path}>, so USD "
            "shows the rest pose. Bind an animation of this skeleton."
        )
    return places


def _local_transforms(
    skeleton: BoundSkeleton, source: Places, times: Times
) -> tuple[Vectors, Quaternions, Vectors, Bool[np.ndarray, " frame"], tuple[str, ...]]:
    """Translations, rotations and scales of all joints, in skeleton order, and at which times there are such: at the
    others, which are blocked, USD shows the rest pose. Last, what is to be said of them."""
    rest = rest_pose(skeleton)
    used = source[source >= 0]
    animation = skeleton.animation
    valued, odd = np.ones(len(times), bool), ""
    if animation is None or not len(used):
        t, q, s = (np.zeros((1, 0, n), np.float32) for n in (3, 4, 3))
    else:
        _check_sparse(skeleton, rest, source)
        names = tuple(animation.GetJointsAttr().Get())
        attributes = animation.GetTranslationsAttr(), animation.GetRotationsAttr(), animation.GetScalesAttr()
        channels = [sample(a, names, times, n, _IGNORED) for a, n in zip(attributes, (3, 4, 3), strict=True)]
        for channel in channels:
            channel.check_finite(used)
            valued &= channel.valued
        odd = channels[1].odd_lengths(used)
        t, q, s = channels[0].values, channels[1].unit_quaternions(used), channels[2].values
    spread = (
        _spread(t, source, rest.translations, len(times)),
        _spread(q, source, rest.rotations, len(times)),
        _spread(s, source, rest.scales, len(times)),
    )
    if not valued.all():
        blocked = ~valued
        spread[0][blocked], spread[1][blocked], spread[2][blocked] = (
            rest.translations,
            rest.rotations,
            rest.scales,
        )
    return *spread, valued, (odd,) if odd else ()


def _check_sparse(skeleton: BoundSkeleton, rest: RestPose, source: Places) -> None:
    lacking = [skeleton.joints[j] for j in np.flatnonzero(source < 0)]
    if lacking and not rest.authored:
        raise StageReadError(
            f"<{skeleton.path}>: the animation lacks {len(lacking)} of its joints ({shown(lacking[0])}) and "
            "the skeleton has no valid restTransforms for them, so USD ignores it. Author restTransforms."
        )


def _spread(values: Values, source: Places, rest: Float[np.ndarray, "joint channel"], count: int) -> Joints:
    """From the animation's joint order to the skeleton's and over all frames; rest where it has no joint."""
    if np.array_equal(source, np.arange(values.shape[1])):
        return values if len(values) == count else np.repeat(values, count, 0)
    result = np.repeat(rest[None], count, 0)
    result[:, source >= 0] = values[:, source[source >= 0]]
    return result


def _blend_weights(
    skeleton: BoundSkeleton, times: Times
) -> tuple[tuple[str, ...], Float[np.ndarray, "frame shape"] | None]:
    if skeleton.animation is None:
        return (), None
    names = tuple(skeleton.animation.GetBlendShapesAttr().Get() or ())
    attribute = skeleton.animation.GetBlendShapeWeightsAttr()
    if not names or not attribute.HasAuthoredValue():
        return (), None
    weights = np.zeros((len(times), len(names), 1), np.float32)
    query = Usd.AttributeQuery(attribute)
    for frame, time in enumerate(times):
        # as USD: surplus weights are dropped and lacking ones are 0 (Maya writes such files)
        value = convert.floats(query.Get(time) or [])[: len(names)]
        weights[frame, : len(value), 0] = value
    Samples(attribute, names, times, weights, np.ones(len(times), bool)).check_finite(np.arange(len(names)))
    return names, weights[..., 0]


def _world(skeleton: BoundSkeleton, times: Times) -> Float[np.ndarray, "frame 4 4"]:
    """Skeleton to world space; evaluated once where no transform above is animated."""
    sampled = times if skeleton.mover else times[:1]
    cache = UsdGeom.XformCache()
    result = np.zeros((len(sampled), 4, 4))
    for frame, time in enumerate(sampled):
        cache.SetTime(time)
        result[frame] = convert.matrix(cache.GetLocalToWorldTransform(skeleton.prim))
    if not np.isfinite(result).all():
        raise StageReadError(
            f"<{skeleton.path}>: its transform to world space is not finite; fix its xformOps."
        )
    return result if len(result) == len(times) else np.repeat(result, len(times), 0)
