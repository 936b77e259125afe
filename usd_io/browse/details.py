"""All about one prim: what it is, how it is composed, and which layer decides each of its values."""

from typing import Any

from pxr import Sdf, Usd

from usd_io.browse.rows import Arc, Details, Opinion, Property, Variant
from usd_io.errors import counted

MOST_PROPERTIES = 5_000
MOST_ELEMENTS = 4
"""Elements of an array that a value shows."""
LONGEST_VALUE = 400


def details_of(prim: Usd.Prim) -> Details:
    """Read one prim."""
    properties = prim.GetProperties() if not prim.IsPseudoRoot() else []
    sets = prim.GetVariantSets()
    return Details(
        path=str(prim.GetPath()),
        type=str(prim.GetTypeName()),
        specifier=str(prim.GetSpecifier()).rsplit("Specifier", 1)[-1].lower(),
        kind=str(Usd.ModelAPI(prim).GetKind()),
        documentation=str(prim.GetMetadata("documentation") or ""),
        schemas=tuple(map(str, prim.GetAppliedSchemas())),
        active=prim.IsActive(),
        loaded=prim.IsLoaded(),
        prototype=str(prim.GetPrototype().GetPath()) if prim.IsInstance() else "",
        layers=tuple(dict.fromkeys(spec.layer.identifier for spec in prim.GetPrimStack())),
        arcs=_arcs(prim),
        variants=tuple(
            Variant(name, sets.GetVariantSelection(name), tuple(sets.GetVariantSet(name).GetVariantNames()))
            for name in sets.GetNames()
        ),
        properties=tuple(map(_property, properties[:MOST_PROPERTIES])),
        left_out=max(len(properties) - MOST_PROPERTIES, 0),
    )


def _arcs(prim: Usd.Prim) -> tuple[Arc, ...]:
    if prim.IsPseudoRoot():
        return ()
    if prim.IsInstanceProxy():
        prim = prim.GetPrimInPrototype()
    found = []
    for arc in Usd.PrimCompositionQuery(prim).GetCompositionArcs():
        kind = arc.GetArcType().displayName
        introducing = arc.GetIntroducingLayer()
        found.append(
            Arc(
                kind="local" if kind == "root" else kind,
                layer=arc.GetTargetNode().layerStack.identifier.rootLayer.identifier,
                path=str(arc.GetTargetNode().path),
                introduced_by=introducing.identifier if introducing else "",
                authored=arc.HasSpecs(),
            )
        )
    return tuple(found)


def _property(found: Usd.Property) -> Property:
    if isinstance(found, Usd.Relationship):
        targets = found.GetTargets()
        opinions = tuple(
            Opinion(spec.layer.identifier, 0, i > 0) for i, spec in enumerate(found.GetPropertyStack())
        )
        return Property(found.GetName(), "relationship", _targets(targets), 0, None, "targets", opinions)
    count = found.GetNumTimeSamples()
    span = (found.GetTimeSamples()[0], found.GetTimeSamples()[-1]) if count else None
    time = Usd.TimeCode(span[0]) if span else Usd.TimeCode.Default()
    value = found.Get(time)
    connections = found.GetConnections() if value is None else []
    return Property(
        name=found.GetName(),
        type=str(found.GetTypeName()),
        value=_targets(connections) if connections else value_text(value),
        samples=count,
        range=span,
        source=_SOURCES.get(found.GetResolveInfo(time).GetSource(), "none"),
        opinions=_opinions(found, time),
    )


_SOURCES = {
    Usd.ResolveInfoSourceDefault: "default",
    Usd.ResolveInfoSourceTimeSamples: "samples",
    Usd.ResolveInfoSourceValueClips: "clips",
    Usd.ResolveInfoSourceFallback: "fallback",
}


def _opinions(attribute: Usd.Attribute, time: Usd.TimeCode) -> tuple[Opinion, ...]:
    """Layers that hold a value (or a connection), strongest first; the samples of one hide those of all weaker ones."""
    specs = [spec for spec in attribute.GetPropertyStack(time) if _says_something(spec)]
    return tuple(
        Opinion(spec.layer.identifier, spec.layer.GetNumTimeSamplesForPath(spec.path), i > 0)
        for i, spec in enumerate(specs)
    )


def _says_something(spec: Sdf.AttributeSpec) -> bool:
    return (
        spec.HasDefaultValue()
        or spec.layer.GetNumTimeSamplesForPath(spec.path) > 0
        or spec.HasInfo("connectionPaths")
    )


def _targets(targets: list[Sdf.Path]) -> str:
    return _cut(" ".join(f"<{target}>" for target in targets[:MOST_ELEMENTS])) + _more(len(targets))


def value_text(value: Any) -> str:
    """A value in short: the first elements of an array and how many there are."""
    if value is None:
        return ""
    if hasattr(value, "__len__") and type(value).__module__ == "pxr.Vt":
        shortened = ", ".join(_cut(str(value[i]), 60) for i in range(min(len(value), MOST_ELEMENTS)))
        return (
            f"[{shortened}{', ...' if len(value) > MOST_ELEMENTS else ''}] {counted(len(value), 'element')}"
        )
    return _cut(str(value))


def _more(count: int) -> str:
    return f" and {count - MOST_ELEMENTS} more" if count > MOST_ELEMENTS else ""


def _cut(text: str, most: int = LONGEST_VALUE) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
