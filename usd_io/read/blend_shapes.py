"""Blend shapes of one mesh, with their in-betweens."""

from collections.abc import Callable

import numpy as np
from pxr import Usd, UsdSkel

from usd_io import convert
from usd_io.errors import counted, shown
from usd_io.model import BlendShape

Warn = Callable[[str], None]


def read_blend_shapes(prim: Usd.Prim, point_count: int, warn: Warn) -> tuple[BlendShape, ...]:
    """The blend shapes a mesh names, in its order; a warning for each that cannot be used."""
    binding = UsdSkel.BindingAPI(prim)
    names = binding.GetBlendShapesAttr().Get() or []
    targets = binding.GetBlendShapeTargetsRel().GetTargets()
    if len(names) != len(targets):
        warn(
            f"<{prim.GetPath()}>: {counted(len(names), 'blend shape')} for "
            f"{counted(len(targets), 'target')}; the surplus is left out."
        )
    shapes = []
    for name, target in zip(names, targets, strict=False):
        shape = UsdSkel.BlendShape(prim.GetStage().GetPrimAtPath(target))
        read = _read_shape(name, shape, point_count, warn) if shape else None
        if read is None:
            warn(
                f"<{prim.GetPath()}>: the blend shape {shown(name)} (<{target}>) cannot be used; it is left out."
            )
        else:
            shapes.append(read)
    return tuple(shapes)


def _read_shape(name: str, shape: UsdSkel.BlendShape, point_count: int, warn: Warn) -> BlendShape | None:
    vertices = convert.integers(shape.GetPointIndicesAttr().Get() or range(point_count))
    offsets = convert.floats(shape.GetOffsetsAttr().Get() or [])
    if offsets.shape != (len(vertices), 3) or not np.isfinite(offsets).all():
        return None
    if len(vertices) and not (0 <= vertices.min() and vertices.max() < point_count):
        return None
    by_weight = {1.0: offsets}
    for between in shape.GetInbetweens():
        weight, moved = between.GetWeight(), convert.floats(between.GetOffsets() or [])
        # UsdSkel refuses weights 0 and 1 too: they are the rest shape and the target itself
        if (
            weight is None
            or weight in (0.0, 1.0)
            or moved.shape != offsets.shape
            or not np.isfinite(moved).all()
        ):
            warn(
                f"<{shape.GetPath()}>: the in-between {shown(between.GetAttr().GetName())} is invalid; left out."
            )
        else:
            by_weight[float(weight)] = moved
    weights = sorted(by_weight)
    return BlendShape(
        str(name), vertices, np.array(weights, np.float32), np.stack([by_weight[w] for w in weights])
    )
