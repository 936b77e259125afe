"""The samples of an array attribute, for those who look at every one."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pxr import Sdf, Usd

from usd_io.convert import stacked
from usd_io.shapes import Float, Shaped

BLOCK = 1024
"""Samples that are best read together."""
_SPOT_CHECKS = 16
"""Samples of a layer at which the stage is asked whether it shows them."""
Rows = Shaped[np.ndarray, "row element *channel"]


@dataclass(frozen=True, eq=False)
class Streamed:
    """The samples of an array attribute, read when they are asked for."""

    times: Float[np.ndarray, " sample"]
    """Stage time codes; empty for a value without time."""
    _get: Callable[[float], Any]

    @classmethod
    def of(cls, attribute: Usd.Attribute) -> "Streamed":
        """Nothing is read yet but the times."""
        spec, query = only_samples(attribute), Usd.AttributeQuery(attribute)
        if spec is None:
            return cls(np.array(attribute.GetTimeSamples(), float), query.Get)
        # of a layer that is all the stage shows, in half the time that the stage takes; which is asked here and there
        get = partial(spec.layer.QueryTimeSample, spec.path)
        times = np.array(spec.layer.ListTimeSamplesForPath(spec.path), float)
        some = times[np.linspace(0, len(times) - 1, _SPOT_CHECKS).astype(int)].tolist()
        agrees = all(_same(get(time), query.Get(time)) for time in some)
        return cls(times, get if agrees else query.Get)

    def rows(self, times: Float[np.ndarray, " row"]) -> Rows | None:
        """The samples at some of the times, as they lie in memory, quaternions as ``x y z w``; None where they differ
        in type or length, and where any is blocked, empty or none at all."""
        return self.typed_rows(times)[0]

    def typed_rows(self, times: Float[np.ndarray, " row"]) -> tuple[Rows | None, type | None]:
        """The rows with USD's type of them."""
        read = [self._get(time) for time in times.tolist()]
        kind = type(read[0]) if read else None
        # no array are None, blocks and edits
        usable = kind is not None and kind.__name__.endswith("Array")
        return (stacked(read), kind) if usable else (None, None)


@dataclass(frozen=True, eq=False)
class Sampled:
    """All samples of an array attribute, read at once."""

    times: Float[np.ndarray, " sample"]
    """Stage time codes; empty for a value without time."""
    values: Rows | None
    """As of :meth:`Streamed.rows`."""
    kind: type | None
    """USD's type of the values; None where there are none."""

    @classmethod
    def of(cls, attribute: Usd.Attribute) -> "Sampled":
        """Read an attribute; in blocks, for as USD's arrays the values of a long clip take several times their room."""
        streamed = Streamed.of(attribute)
        times, values, kind = streamed.times, None, None
        for first in range(0, len(times), BLOCK):
            rows, own = streamed.typed_rows(times[first : first + BLOCK])
            if rows is None:
                return cls(times, None, None)
            if values is None:
                values, kind = np.empty((len(times), *rows.shape[1:]), rows.dtype), own
            if own is not kind or rows.shape[1:] != values.shape[1:]:
                return cls(times, None, None)
            values[first : first + BLOCK] = rows
        return cls(times, values, kind)

    def rows(self, times: Float[np.ndarray, " row"]) -> Rows | None:
        """As :meth:`Streamed.rows`."""
        if self.values is None:
            return None
        places = np.searchsorted(self.times, times).clip(0, len(self.times) - 1)
        return self.values[places] if np.array_equal(self.times[places], times) else None


def only_samples(attribute: Usd.Attribute) -> Sdf.AttributeSpec | None:
    """The one opinion that an attribute has, where its samples are what USD shows: in stage time, and no edits of
    arrays, which merge with what lies below them."""
    if attribute.GetResolveInfo().GetSource() != Usd.ResolveInfoSourceTimeSamples:
        return None
    stack = attribute.GetPropertyStackWithLayerOffsets(Usd.TimeCode.EarliestTime())
    if len(stack) != 1 or not stack[0][1].IsIdentity():
        return None
    spec: Sdf.AttributeSpec = stack[0][0]
    _, some, _ = spec.layer.GetBracketingTimeSamplesForPath(spec.path, 0.0)
    edits = "ArrayEdit" in type(spec.layer.QueryTimeSample(spec.path, some)).__name__
    return None if edits or spec.typeName != attribute.GetTypeName() else spec


def has_edits(spec: Sdf.AttributeSpec) -> bool:
    """Whether any sample is an edit of arrays, which above its own layer is applied twice."""
    times = spec.layer.ListTimeSamplesForPath(spec.path)
    kinds = {type(spec.layer.QueryTimeSample(spec.path, time)) for time in times}
    return any("ArrayEdit" in kind.__name__ for kind in kinds)


def _same(held: Any, shown: Any) -> bool:
    """Whether a stage shows what a layer holds, of which it shows blocks as None."""
    if shown is None:
        return isinstance(held, Sdf.ValueBlock)
    return type(held) is type(shown) and bool(held == shown)


class SampleMemory:
    """Reads attributes as :meth:`Sampled.of`, each once; for as long as nobody writes to the layers.

    Those with the same opinions, in another stage too, have the same samples.
    """

    def __init__(self) -> None:
        self._read: dict[Hashable, Sampled] = {}

    def __call__(self, attribute: Usd.Attribute) -> Sampled:
        """All samples of an attribute."""
        key = _opinions(attribute)
        if key not in self._read:
            self._read[key] = Sampled.of(attribute)
        return self._read[key]


def _opinions(attribute: Usd.Attribute) -> Hashable:
    """All that decides the samples of an attribute."""
    spec = only_samples(attribute)
    if spec is None:
        return attribute  # offsets, value clips and edits of arrays: each stage for itself
    return spec.layer.identifier, str(spec.path)
