"""What :mod:`usd_io.browse.view` tells of a stage: plain values, without pxr.

All text is as it is in the files: a face shows it through :func:`usd_io.errors.shown`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PrimRow:
    """One prim in a list."""

    path: str
    name: str
    type: str
    children: int
    flags: tuple[str, ...]
    """Of ``inactive``, ``unloaded``, ``over`` (no definition), ``class``, ``instance``, ``instanced`` (inside one),
    ``payload``, ``reference``, ``variants``."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of the stage's own stack, or one that it brings in."""

    identifier: str
    name: str
    depth: int
    """Of the tree of sublayers; -1: used by a reference, payload or clip."""
    offset: float
    scale: float
    muted: bool
    found: bool = True


@dataclass(frozen=True)
class Arc:
    """One arc of the composition of a prim, strongest first."""

    kind: str
    """``reference``, ``payload``, ``variant``, ``inherit``, ``specialize``, ``local`` ..."""
    layer: str
    path: str
    introduced_by: str
    """The layer that holds the arc; empty for the local opinions."""
    authored: bool
    """Whether there are opinions at its end."""


@dataclass(frozen=True)
class Variant:
    """One variant set with what is selected."""

    name: str
    selected: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Opinion:
    """One layer's opinion of a property."""

    layer: str
    samples: int
    """Time samples; 0: a default value, targets or a connection."""
    hidden: bool
    """Whether a stronger layer hides it."""


@dataclass(frozen=True)
class Property:
    """An attribute or a relationship."""

    name: str
    type: str
    """``relationship`` for those."""
    value: str
    """In short: at the first sample where it is animated."""
    samples: int
    range: tuple[float, float] | None
    """First and last time sample [time codes]."""
    source: str
    """``default``, ``samples``, ``clips``, ``fallback``, ``none`` or ``targets``."""
    opinions: tuple[Opinion, ...]
    """Strongest first; the first wins."""


@dataclass(frozen=True)
class Details:
    """All about one prim."""

    path: str
    type: str
    specifier: str
    kind: str
    documentation: str
    schemas: tuple[str, ...]
    active: bool
    loaded: bool
    prototype: str
    """Path of its prototype where it is an instance."""
    layers: tuple[str, ...]
    """Identifiers of the layers with opinions of it, strongest first."""
    arcs: tuple[Arc, ...]
    variants: tuple[Variant, ...]
    properties: tuple[Property, ...]
    left_out: int
    """Properties beyond ``usd_io.browse.details.MOST_PROPERTIES``."""
