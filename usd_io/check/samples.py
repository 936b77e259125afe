"""Rules on the samples of one SkelAnimation: SA001, SA002, SA004, SA005, SA009 (docs/check.md)."""

from collections.abc import Iterator

import numpy as np

from usd_io.check.animation_samples import AnimationSamples, Channel
from usd_io.check.finding import Finding, Severity
from usd_io.errors import counted, shown
from usd_io.shapes import Bool, Float

_UNIT_ERROR = 1e-3
"""Length error of a quaternion that half precision explains."""

_BONE_CHANGE = 0.01
"""Change of a bone's length, relative to its median, that is reported."""

_RIGID = 1e-4
"""Median change of length, relative to it, that rounding explains."""


def missing_channels(animation: AnimationSamples) -> Iterator[Finding]:
    """SA001: translations, rotations and scales come together or not at all."""
    channels = {"translations": animation.translations, "rotations": animation.rotations}
    channels["scales"] = animation.scales
    missing = [name for name, channel in channels.items() if channel is None]
    if animation.joints and missing:
        message = (
            f"{' and '.join(missing)} missing: USD ignores the whole animation without a word. "
            "Author translations, rotations and scales together."
        )
        yield Finding("SA001", "error", message, prim=animation.prim)


def wrong_lengths(animation: AnimationSamples) -> Iterator[Finding]:
    """SA002: every sample has one value per joint, or per blend shape."""
    counts = [(channel, len(animation.joints), "joints") for channel in animation.transforms]
    if animation.blend_weights is not None:
        counts.append((animation.blend_weights, len(animation.blend_shapes), "blend shapes"))
    for channel, expected, what in counts:
        if isinstance(channel.values, np.ndarray) and channel.values.shape[1] == expected:
            continue
        wrong = [index for index, value in enumerate(channel.values) if len(value) != expected]
        if wrong:
            message = (
                f"{channel.name} has {counted(len(channel.values[wrong[0]]), 'value')} for {expected} {what} "
                f"({len(wrong)} of {len(channel.values)} samples). Author one value each."
            )
            time = channel.times[wrong[0]]
            yield Finding("SA002", "error", message, channel.layer, animation.prim, time)


def bad_values(animation: AnimationSamples) -> Iterator[Finding]:
    """SA004: rotations have unit length, and all numbers are finite."""
    for channel in animation.transforms:
        times, values = channel.stacked(len(animation.joints))
        finite = np.isfinite(values).all(-1)
        yield from _first(
            channel, animation, times, ~finite, "SA004", "error", "is not finite. Fix that sample."
        )
        if channel is animation.rotations:
            off = finite & (np.abs(_lengths(values) - 1) > _UNIT_ERROR)
            what = "is not unit length: viewers scale or shear the joint. Normalise it."
            yield from _first(channel, animation, times, off, "SA004", "error", what)


def sign_flips(animation: AnimationSamples) -> Iterator[Finding]:
    """SA005: neighbouring rotations lie on the same half of the sphere.

    What anymole fills has the sign of the key before it, and the key after it stays as it is: a joint that goes round
    the long way between them changes its sign there, which nothing can help.
    """
    channel = animation.rotations
    if channel is None:
        return
    times, q = channel.stacked(len(animation.joints))
    flips = np.zeros(q.shape[:2], bool)
    if len(q) > 1:
        flips[1:] = np.einsum("fjc,fjc->fj", q[1:], q[:-1]) < 0
    what = (
        "changes the sign of its quaternion: USD does not mind, some importers spin. Negate it from there on."
    )
    forced = flips & np.isin(np.array(times, float), animation.filled_up_to)[:, None]
    yield from _first(channel, animation, times, flips & ~forced, "SA005", "warning", what)
    what = (
        "meets its key with the other sign after a filled gap: the key stays as it is, and USD does not mind."
    )
    yield from _first(channel, animation, times, forced, "SA005", "info", what)


def changing_bones(animation: AnimationSamples) -> Iterator[Finding]:
    """SA009: a bone that is rigid in most samples is rigid in all.

    Roots are left out, and joints that are translated in most samples: those are animated so on purpose (hips,
    feet on handles), while a stretch here and there is what a bad fit or a bad key leaves.
    """
    channel = animation.translations
    if channel is None:
        return
    times, values = channel.stacked(len(animation.joints))
    if len(values) < 2 or not np.isfinite(values).all():
        return
    length = _lengths(values)
    middle = np.median(length, axis=0)
    known = set(animation.joints)
    below = np.array([joint.rpartition("/")[0] in known for joint in animation.joints], bool)
    # a bone much shorter than the others has no length to speak of
    below &= middle > 1e-3 * middle.max(initial=0.0)
    off = np.abs(length - middle) / np.where(below, middle, 1.0)
    rigid = below & ((off < _BONE_CHANGE).mean(axis=0) > 0.5) & (np.median(off, axis=0) < _RIGID)
    change = np.where(rigid, off.max(axis=0), 0.0)
    if (change > _BONE_CHANGE).any():
        worst = int(change.argmax())
        message = (
            f"{int((change > _BONE_CHANGE).sum())} joints, rigid elsewhere, change their distance to the parent, "
            f"most of all {shown(animation.joints[worst])} by {change[worst]:.0%}. Fine where stretch is meant."
        )
        frame = int(off[:, worst].argmax())
        yield Finding("SA009", "info", message, channel.layer, animation.prim, times[frame])


def _lengths(values: Float[np.ndarray, "frame joint channel"]) -> Float[np.ndarray, "frame joint"]:
    with np.errstate(over="ignore", invalid="ignore"):
        result: Float[np.ndarray, "frame joint"] = np.sqrt(np.einsum("fjc,fjc->fj", values, values))
    return result


def _first(
    channel: Channel,
    animation: AnimationSamples,
    times: list[float | None],
    bad: Bool[np.ndarray, "frame joint"],
    rule: str,
    severity: Severity,
    what: str,
) -> Iterator[Finding]:
    """One finding for all bad samples: the first, and how many there are."""
    places = np.argwhere(bad)
    if len(places):
        frame, joint = places[0]
        more = f" ({len(places)} such values in {counted(len(np.unique(places[:, 0])), 'sample')})"
        message = f"The {channel.name[:-1]} of {shown(animation.joints[joint])} {what}{more}"
        yield Finding(rule, severity, message, channel.layer, animation.prim, times[frame])
