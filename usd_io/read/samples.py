"""The values of one array attribute over time, read in bulk and checked.

The loop over samples does nothing but ask USD and copy into a preallocated array; all checks come after it,
vectorised. An error names the layer, the prim, the time code and the item, and says what to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pxr import Usd, Vt

from usd_io import convert
from usd_io.errors import StageReadError, counted, shown, timecode
from usd_io.model import Changing
from usd_io.sampled import Sampled
from usd_io.shapes import Bool, Float, Int

Values = Float[np.ndarray, "sample item channel"]
"""One sample where the attribute never changes."""

READ_TYPES = {
    "translations": Vt.Vec3fArray,
    "rotations": Vt.QuatfArray,
    "scales": Vt.Vec3hArray,
    "blendShapeWeights": Vt.FloatArray,
}
"""The only types of values that USD reads from these attributes."""
TYPE_NAMES = {
    "translations": "float3[]",
    "rotations": "quatf[]",
    "scales": "half3[]",
    "blendShapeWeights": "float[]",
}
MOST_VALUES = 60_000_000
"""Numbers over all samples of one thing that changes besides the skeleton."""
_BLOCK = 4096
"""Samples that are read and converted together."""
DRIFT = 0.0099
"""Length error of a quaternion [1] that two digits explain."""
_SHORTEST, _LONGEST = 0.5, 1.5
"""Lengths of quaternions that blends of poses leave behind. USD turns by the numbers as they are, which bends joints
out of shape; poses count by their direction here, and samples that are kept are written as they are. Others are
refused."""


@dataclass(frozen=True, eq=False)
class Samples:
    """One attribute over time: one value per item (a joint, or a blend shape)."""

    attribute: Usd.Attribute
    items: Sequence[str]
    """Names of the items, in the attribute's order."""
    times: Float[np.ndarray, " sample"]
    """Stage time codes; a single one where the attribute does not change."""
    values: Values
    valued: Bool[np.ndarray, " sample"]
    """False where the attribute is blocked: the values there say nothing."""

    def check_finite(self, used: Int[np.ndarray, " used"]) -> None:
        """Refuse NaN and infinities in the items that are used."""
        if np.isfinite(self.values).all():
            return
        bad = np.argwhere(~np.isfinite(self.values[:, used]).all(-1))
        if len(bad):
            raise StageReadError(self._bad(int(bad[0, 0]), int(used[bad[0, 1]]), "not finite"))

    def unit_quaternions(self, used: Int[np.ndarray, " used"]) -> Values:
        """The values as unit quaternions ``w x y z``, sign-continuous in time."""
        q, length = convert.from_memory_order(self.values), self._lengths
        bad = np.argwhere(~((length[:, used] >= _SHORTEST) & (length[:, used] <= _LONGEST)))
        if len(bad):
            frame, item = int(bad[0, 0]), int(used[bad[0, 1]])
            problem = f"no unit quaternion, its length is {length[frame, item]:.4g}"
            raise StageReadError(self._bad(frame, item, problem))
        # what is not used may be anything, zero too
        unused = np.ones(q.shape[1], bool)
        unused[used] = False
        q[:, unused] = (1, 0, 0, 0)
        return convert.continuous(convert.unit(q))

    @cached_property
    def _lengths(self) -> Float[np.ndarray, "sample item"]:
        """Of quaternions."""
        length: Float[np.ndarray, "sample item"] = np.sqrt(np.einsum("fjc,fjc->fj", self.values, self.values))
        return length

    def odd_lengths(self, used: Int[np.ndarray, " used"]) -> str:
        """What is to be said of quaternions that are far from unit length; empty where none is."""
        off = np.abs(self._lengths[:, used] - 1)
        if not (off > DRIFT).any():
            return ""
        frame, number = divmod(int(off.argmax()), off.shape[1])
        item = int(used[number])
        return (
            f"{place(self.attribute)}: {int((off > DRIFT).sum())} rotations are no unit quaternions (of "
            f"{shown(self.items[item])} at time code {timecode(self.times[frame])} the length is "
            f"{self._lengths[frame, item]:.3g}): USD bends such "
            "joints out of shape. They are kept, and what is filled follows them; normalise them to turn alone."
        )

    def _bad(self, frame: int, item: int, problem: str) -> str:
        value = self.values[frame, item]
        value = (
            convert.from_memory_order(value) if len(value) == 4 else value
        )  # as the file has it, real part first
        numbers = ", ".join(f"{v:.4g}" for v in value)
        return (
            f"{place(self.attribute)}: {self.attribute.GetName()} of {shown(self.items[item])} at time code "
            f"{timecode(self.times[frame])} is {problem} ({numbers}); fix or remove that sample."
        )


def sample(
    attribute: Usd.Attribute,
    items: Sequence[str],
    times: Float[np.ndarray, " frame"],
    channels: int,
    consequence: str,
) -> Samples:
    """Read an attribute at stage time codes; one that never changes is read once.

    Args:
        attribute: An array attribute with one value per item.
        items: Names of the items.
        times: Stage time codes.
        channels: Numbers per value; quaternions stay in USD's memory order.
        consequence: What USD makes of an unusable value, said in the error.

    Raises:
        StageReadError: The attribute is missing, of a type that USD does not take here, blocked at all of the times, or
            of another length at one of them.
    """
    expected = READ_TYPES[attribute.GetName()]
    query = Usd.AttributeQuery(attribute)
    if not query.ValueMightBeTimeVarying():
        times = times[:1]
    if len(times) > 1 and query.GetNumTimeSamples() == len(times):
        whole = Sampled.of(attribute)
        if whole.kind is expected and np.array_equal(whole.times, times) and whole.values is not None:
            if whole.values.shape[1] == len(items):
                values = whole.values.astype(np.float32, copy=False).reshape(len(times), len(items), channels)
                return Samples(attribute, items, times, values, np.ones(len(times), bool))
    values = np.zeros((len(times), len(items), channels), np.float32)
    valued = np.ones(len(times), bool)
    rows = values[..., 0] if channels == 1 else values
    for first in range(0, len(times), _BLOCK):
        block = [query.Get(time) for time in times[first : first + _BLOCK].tolist()]
        together = convert.stacked(block) if all(isinstance(value, expected) for value in block) else None
        if together is not None and together.shape[1] == len(items):
            rows[first : first + _BLOCK] = together
            continue
        for frame, value in enumerate(block, first):
            if value is None:
                valued[frame] = False
            elif not isinstance(value, expected):
                raise StageReadError(f"{place(attribute)}: {wrong_type(attribute, value)} {consequence}")
            elif len(value) != len(items):
                raise StageReadError(_unusable(attribute, times[frame], value, len(items), consequence))
            else:
                rows[frame] = convert.view(value)
    if not valued.any():
        raise StageReadError(_unusable(attribute, times[0], None, len(items), consequence))
    # a block says nothing: what stands beside it keeps signs and checks undisturbed
    values[~valued] = values[valued][0]
    return Samples(attribute, items, times, values, valued)


def wrong_type(attribute: Usd.Attribute, value: Any) -> str:
    """What is said of a value of another type than the one that USD reads."""
    name = attribute.GetName()
    kind = type(value).__name__.removesuffix("Array")
    return f"{name} holds values of the type {shown(kind)}, and USD reads {TYPE_NAMES[name]} alone; write that type."


def place(attribute: Usd.Attribute) -> str:
    """Layer with the strongest opinion, and prim: ``walk.usda </Hero/Walk>``."""
    stack = attribute.GetPropertyStack(Usd.TimeCode.EarliestTime())
    layer = stack[0].layer if stack else attribute.GetStage().GetRootLayer()
    return f"{shown(layer.GetDisplayName())} <{attribute.GetPrimPath()}>"


def _unusable(attribute: Usd.Attribute, time: float, value: Any, expected: int, consequence: str) -> str:
    name = attribute.GetName()
    if not attribute.HasAuthoredValue():
        return f"{place(attribute)}: {name} is missing; {consequence} Author all channels together."
    found = "no value" if value is None else f"{counted(len(value), 'value')} instead of {expected}"
    return f"{place(attribute)}: {name} has {found} at time code {timecode(time)}; {consequence} Author one per item."


def read_track(
    times: Sequence[float], read: Callable[[float], Any], path: str, warn: Callable[[str], None], like: Any
) -> Changing | None:
    """Read something at each of its samples.

    Args:
        times: Of the samples, increasing [time codes].
        read: Gives an array, a text or None at one of them; an empty array stands for None, too.
        path: Whose it is.
        warn: Called where it cannot be shown at each time.
        like: What it is at first: of arrays, the shape.

    Returns:
        None where it never changes, or not as pictures could show it.
    """
    if len(times) < 2:
        return None
    values = [read(time) for time in times] if np.size(like) * len(times) <= MOST_VALUES else []
    values = [None if isinstance(value, np.ndarray) and not value.size else value for value in values]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    fit = all(
        array.shape == np.shape(like) and (array.dtype.kind != "f" or np.isfinite(array).all())
        for array in arrays
    )
    if not values or not fit:
        warn(f"<{path}> changes in time, and not to as many finite values at each; its first sample is used.")
        return None
    return Changing(np.array(times, float), values)
