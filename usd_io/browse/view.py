"""A stage to be looked into, prim by prim, as plain data: read lazily, never changed on disk.

All text is as it is in the files: a face shows it through :func:`usd_io.errors.shown`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pxr import Ar, Sdf, Tf, Usd

from usd_io.browse.details import details_of
from usd_io.browse.rows import Details, LayerRow, PrimRow
from usd_io.diagnostics import captured, reason
from usd_io.errors import StageNotFoundError, StageReadError, shown
from usd_io.read.stage import open_stage

EVERYTHING = Usd.TraverseInstanceProxies(Usd.PrimAllPrimsPredicate)
"""Prims that are inactive, abstract or not loaded, too, and those inside instances."""
CHUNK = 2000
"""Prims walked over before others may use the stage."""


GUARD = threading.RLock()
"""USD has every layer but once: to read one again, or to mute it, changes all stages that are open."""


class StageView:
    """An open stage; its methods may be called from any thread."""

    def __init__(self, path: str | Path) -> None:
        """Open a stage.

        Raises:
            UsdIoError: As :func:`usd_io.read.stage.open_stage`.
        """
        self.path = str(path)
        with GUARD:
            self.opened = open_stage(path)
        """For the readers of :mod:`usd_io`; others hand it on as it is."""
        self.guard = GUARD
        """To be held while :attr:`opened` is used elsewhere: muting a layer changes the stage under a reader."""
        self.reload()  # some of its layers may have been read for another view, and been written since

    def reload(self) -> None:
        """Read the layers again whose files have been written since.

        Raises:
            UsdIoError: One of them is gone or cannot be read any more; what was read before stays.
        """
        with self.guard, captured():
            if not Ar.GetResolver().Resolve(self.path):
                raise StageNotFoundError(f"{shown(self.path)} does not exist any more.")
            try:
                self.opened.Reload()
            except Tf.ErrorException as error:
                raise StageReadError(
                    f"{shown(self.path)} cannot be read again: {reason(error, self.path)}"
                ) from None

    def children(self, path: str = "/") -> tuple[PrimRow, ...]:
        """The prims right below one, in order.

        Raises:
            StageNotFoundError: There is no such prim any more.
        """
        with self.guard, captured():
            return tuple(map(_row, self._prim(path).GetFilteredChildren(EVERYTHING)))

    def row(self, path: str) -> PrimRow:
        """One prim.

        Raises:
            StageNotFoundError: There is no such prim any more.
        """
        with self.guard, captured():
            return _row(self._prim(path))

    def names(self, stop: Callable[[], bool] = lambda: False) -> list[tuple[str, str]]:
        """Path and type of every prim, parents first; what is there so far when ``stop`` says True."""
        found: list[tuple[str, str]] = []
        walk = self._walk()
        while not stop():
            with self.guard, captured():
                part = [
                    (str(prim.GetPath()), str(prim.GetTypeName()))
                    for prim, _ in zip(walk, range(CHUNK), strict=False)
                ]
            if not part:
                break
            found += part
        return found

    def _walk(self) -> Iterator[Usd.Prim]:
        return iter(Usd.PrimRange(self.opened.GetPseudoRoot(), EVERYTHING))

    def details(self, path: str) -> Details:
        """All about one prim; see :class:`usd_io.browse.rows.Details`.

        Raises:
            StageNotFoundError: There is no such prim any more.
        """
        with self.guard, captured():
            return details_of(self._prim(path))

    def layers(self) -> tuple[LayerRow, ...]:
        """The stack of sublayers, strongest first, muted and missing ones too; then the layers that arcs bring in."""
        with self.guard, captured():
            root = self.opened.GetRootLayer()
            stack: list[LayerRow] = []
            self._stack(root, 0, (0.0, 1.0), stack, frozenset())
            known = {row.identifier for row in stack}
            session = self.opened.GetSessionLayer()
            used = {layer.identifier for layer in self.opened.GetUsedLayers() if layer != session} - known
            muted = set(self.opened.GetMutedLayers()) - known - used
            return (
                *stack,
                *(LayerRow(name, _short(name), -1, 0.0, 1.0, False) for name in sorted(used)),
                *(LayerRow(name, _short(name), -1, 0.0, 1.0, True) for name in sorted(muted)),
            )

    def _stack(
        self,
        layer: Sdf.Layer,
        depth: int,
        offset: tuple[float, float],
        rows: list[LayerRow],
        above: frozenset[str],
    ) -> None:
        """The layer and its sublayers; a layer that has itself below it ends there, as in USD."""
        name = layer.identifier
        rows.append(LayerRow(name, _short(name), depth, *offset, self.opened.IsLayerMuted(name)))
        for path, shift in zip(layer.subLayerPaths, layer.subLayerOffsets, strict=True):
            identifier = layer.ComputeAbsolutePath(path)
            composed = (offset[0] + offset[1] * shift.offset, offset[1] * shift.scale)
            below = Sdf.Layer.Find(identifier)
            if below and below.identifier not in above | {name}:
                self._stack(below, depth + 1, composed, rows, above | {name})
            else:
                muted = self.opened.IsLayerMuted(identifier)
                rows.append(LayerRow(identifier, _short(path), depth + 1, *composed, muted, found=muted))

    def mute(self, identifier: str, muted: bool) -> None:
        """Leave a layer out of this view of the stage, or take it in again. Nothing is saved.

        Raises:
            StageNotFoundError: It is the root layer, without which there is no stage.
        """
        with self.guard, captured():
            if identifier == self.opened.GetRootLayer().identifier:
                raise StageNotFoundError(f"{shown(identifier)} is the root layer; it cannot be muted.")
            (self.opened.MuteLayer if muted else self.opened.UnmuteLayer)(identifier)

    def _prim(self, path: str) -> Usd.Prim:
        prim = self.opened.GetPrimAtPath(path) if Sdf.Path.IsValidPathString(path) else None
        if not prim:
            raise StageNotFoundError(f"{shown(self.path)} has no prim <{shown(path)}>.")
        return prim


def _row(prim: Usd.Prim) -> PrimRow:
    return PrimRow(
        path=str(prim.GetPath()),
        name=prim.GetName(),
        type=str(prim.GetTypeName()),
        children=len(prim.GetFilteredChildrenNames(EVERYTHING)),
        flags=tuple(_flags(prim)),
    )


def _flags(prim: Usd.Prim) -> Sequence[str]:
    tests = {
        "inactive": not prim.IsActive(),
        "unloaded": prim.IsActive() and not prim.IsLoaded(),
        "class": prim.IsAbstract(),
        "over": prim.GetSpecifier() == Sdf.SpecifierOver,
        "instance": prim.IsInstance(),
        "instanced": prim.IsInstanceProxy(),
        "payload": prim.HasAuthoredPayloads(),
        "reference": prim.HasAuthoredReferences(),
        "variants": prim.HasVariantSets(),
    }
    return [name for name, true in tests.items() if true]


def _short(identifier: str) -> str:
    return identifier if identifier.startswith("anon:") else identifier.replace("\\", "/").rsplit("/", 1)[-1]
