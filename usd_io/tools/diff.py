"""What two USD files say differently, spec by spec: ``anymole usd diff``. Numbers are compared as numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pxr import Sdf

from usd_io.diagnostics import captured
from usd_io.errors import shown, timecode
from usd_io.tools.text import read_layer

LONGEST_VALUE = 60
_SAMPLES = "timeSamples"
_ORDER = (
    "primChildren",
    "properties",
    "propertyChildren",
    "variantChildren",
    "variantSetChildren",
    "connectionChildren",
)
"""Fields that list what is compared by itself."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs."""

    kind: Literal["added", "removed", "changed"]
    path: str
    """Of a prim or a property."""
    text: str
    """What changed, in words; empty for all of it."""


def differences(
    first: str | Path, second: str | Path, *, flatten: bool = False, tolerance: float = 0.0
) -> tuple[Difference, ...]:
    """All differences from one file to another, in the order of their paths.

    Args:
        first: A USD file.
        second: Another.
        flatten: Compare what is composed and not the layers alone.
        tolerance: Numbers that are no further apart are the same.

    Raises:
        StageReadError: One cannot be opened.
    """
    a, b = (read_layer(file, flatten=flatten) for file in (first, second))
    with captured():
        paths_a, paths_b = _paths(a), _paths(b)
        found: list[Difference] = []
        for path in sorted({*paths_a, *paths_b}):
            if path not in paths_a or path not in paths_b:
                if path.GetParentPath() not in paths_a or path.GetParentPath() not in paths_b:
                    continue  # reported with its parent
                kind: Literal["added", "removed"] = "removed" if path in paths_a else "added"
                found.append(Difference(kind, str(path), ""))
            else:
                found += [Difference("changed", str(path), text) for text in _changes(a, b, path, tolerance)]
        return tuple(found)


def _paths(layer: Sdf.Layer) -> set[Sdf.Path]:
    paths: set[Sdf.Path] = set()
    layer.Traverse("/", paths.add)
    return {
        path
        for path in paths
        if path.IsAbsoluteRootOrPrimPath() or path.IsPropertyPath() or _is_variant(path)
    }


def _is_variant(path: Sdf.Path) -> bool:
    return bool(path.IsPrimVariantSelectionPath() and path.GetVariantSelection()[1])


def _changes(a: Sdf.Layer, b: Sdf.Layer, path: Sdf.Path, tolerance: float) -> Iterator[str]:
    one, other = a.GetObjectAtPath(path), b.GetObjectAtPath(path)
    for name in sorted({*one.ListInfoKeys(), *other.ListInfoKeys()} - {*_ORDER}):
        if name == _SAMPLES:
            text = _samples(a, b, path, tolerance)
            if text:
                yield text
            continue
        had, has = _field(one, name), _field(other, name)
        apart = _apart(had, has)
        if apart is None or apart > tolerance:
            yield f"{name}: {_value(had)} -> {_value(has)}"


def _field(spec: Sdf.Spec, name: str) -> Any:
    """What a field holds, None for nothing."""
    if not spec.HasInfo(name):
        return None
    if name == "subLayerOffsets":  # USD has no Python type for the whole of it
        return [(offset.offset, offset.scale) for offset in spec.layer.subLayerOffsets]
    return spec.GetInfo(name)


def _samples(a: Sdf.Layer, b: Sdf.Layer, path: Sdf.Path, tolerance: float) -> str:
    """What differs between the time samples of an attribute, in one line; empty for nothing."""
    times_a, times_b = (set(layer.ListTimeSamplesForPath(path)) for layer in (a, b))
    parts = []
    for what, times in (("only before", times_a - times_b), ("only now", times_b - times_a)):
        if times:
            parts.append(f"{len(times)} {what} ({timecode(min(times))} to {timecode(max(times))})")
    both = sorted(times_a & times_b)
    apart = {t: _apart(a.QueryTimeSample(path, t), b.QueryTimeSample(path, t)) for t in both}
    differ = [t for t, by in apart.items() if by is None or by > tolerance]
    if differ:
        known = [by for t in differ if (by := apart[t]) is not None]
        most = f", by {max(known):.3g} at most" if known else ""
        parts.append(
            f"{len(differ)} of {len(both)} values differ ({timecode(differ[0])} to {timecode(differ[-1])}){most}"
        )
    return f"samples: {'; '.join(parts)}" if parts else ""


def _apart(one: Any, other: Any) -> float | None:
    """Largest difference of two values of numbers, 0 for equal ones of any type; None: they differ otherwise."""
    if type(one) is type(other) and one == other:
        return 0.0
    try:
        x, y = (np.array(value, float) for value in (one, other))
    except (TypeError, ValueError):
        return None
    if x.shape != y.shape or not x.size or one is None or other is None:
        return None
    gap = np.atleast_1d(np.abs(x - y))
    gap[np.isnan(x) & np.isnan(y)] = 0
    return float(np.nan_to_num(gap, nan=np.inf).max())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = " ".join(str(value).split())
    return shown(text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}...")
