"""Values of types that USD does not know: a text layer with a misspelt type opens without a word."""

from collections.abc import Iterator

from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io.errors import StageReadError, shown

_KINDS = (UsdSkel.Root, UsdSkel.Skeleton, UsdSkel.Animation, UsdSkel.BlendShape)
_DEFAULT_TIME = Usd.TimeCode.Default()
_LEFT_OUT = "primvars:"
"""Weights, colours and coordinates are left out with a warning where they cannot be used."""


def refuse_unknown_types(stage: Usd.Stage) -> None:
    """Refuse a stage with a skeleton, an animation or something skinned whose values USD cannot read.

    What a prim's own schema does not know may be of any type: it is not read.

    Raises:
        StageReadError: An attribute that a schema knows holds values of an unknown type.
    """
    for prim in _characters(stage):
        for attribute in prim.GetAuthoredAttributes():
            expected = attribute.GetTypeName()
            if expected.type.isUnknown or attribute.GetName().startswith(_LEFT_OUT):
                continue
            if strange := of_unknown_type(attribute):
                raise StageReadError(
                    f"{shown(strange.layer.GetDisplayName())} <{shown(strange.path.GetPrimPath())}>: "
                    f"{attribute.GetName()} is of the type {shown(strange.typeName)}, which USD does not know; write "
                    f"{expected}."
                )


def of_unknown_type(attribute: Usd.Attribute, time: Usd.TimeCode = _DEFAULT_TIME) -> Sdf.AttributeSpec | None:
    """The strongest opinion of a type that USD does not know, where the value at a time is of such; None elsewhere."""
    # looked for first: types are quicker to tell than values
    strange = next((spec for spec in attribute.GetPropertyStack() if spec.typeName.type.isUnknown), None)
    return strange if strange and isinstance(attribute.Get(time), Sdf.UnregisteredValue) else None


def _characters(stage: Usd.Stage) -> Iterator[Usd.Prim]:
    """Prims that say how a character moves or looks; those of instances once."""
    for top in (stage.GetPseudoRoot(), *stage.GetPrototypes()):
        root: Usd.Prim | None = None  # the outermost SkelRoot; a prototype may lie in one
        for prim in Usd.PrimRange(top):
            if root is not None and not prim.GetPath().HasPrefix(root.GetPath()):
                root = None
            if root is None and prim.IsA(UsdSkel.Root):
                root = prim
            skinned = prim.IsA(UsdGeom.Gprim) and (root is not None or prim.IsInPrototype())
            if skinned or any(map(prim.IsA, _KINDS)):
                yield prim
