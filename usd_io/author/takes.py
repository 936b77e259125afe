"""The takes of a result, and which of them its root stage shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxr import Sdf, Tf, Usd

from usd_io.diagnostics import captured, reason
from usd_io.errors import AuthorError, NoResultError, TakeNotFoundError, shown, unwritable
from usd_io.files import replacing
from usd_io.model import GAPS
from usd_io.read.placement import Variants, select_variant
from usd_io.read.stage import open_stage


@dataclass(frozen=True)
class ResultTakes:
    """How many takes a result has, and which is shown."""

    result: str
    """Its root stage."""
    count: int
    active: int
    """1 is the best estimate; 0 where the skeletons show different ones or none of them."""


def read_takes(result: str | Path) -> ResultTakes:
    """The takes of a result.

    Args:
        result: Its root stage.

    Raises:
        StageReadError: It cannot be opened.
        NoResultError: It is no result.
        AuthorError: Its record is damaged.
    """
    stage = open_stage(result)
    found = _variants_of(stage)
    active = {_active(stage, variants) for variants in found}
    return ResultTakes(
        result=str(result),
        count=min((len(variants.names) for variants in found), default=1),
        active=1 if not found else active.pop() if len(active) == 1 else 0,
    )


def select_take(result: str | Path, number: int) -> ResultTakes:
    """Have a result show one of its takes, in all of its skeletons: a line in its root stage, nothing else changes.

    Args:
        result: Its root stage, which is replaced in one step.
        number: 1 is the best estimate.

    Raises:
        StageReadError: It cannot be opened.
        NoResultError: It is no result.
        TakeNotFoundError: It has no such take.
        AuthorError: It cannot be written.
    """
    count = read_takes(result).count
    if not 1 <= number <= count:
        raise TakeNotFoundError(f"{shown(result)} has no take {number}: it has {count}, counted from 1.")
    path = Path(result)
    try:
        with captured(), replacing(path) as draft:
            edited = Sdf.Layer.OpenAsAnonymous(str(path))  # as it is now, whoever has it open
            for variants in _variants_of(open_stage(path)):
                owner = Sdf.CreatePrimInLayer(edited, variants.owner)
                owner.variantSelections[variants.set] = variants.names[number - 1]
            write_like(edited, path, draft)
    except Tf.ErrorException as error:
        raise AuthorError(f"USD could not write {shown(path)}: {reason(error)}") from error
    except OSError as error:
        raise AuthorError(unwritable(path, error)) from error
    layer = Sdf.Layer.Find(str(path))
    if layer:
        layer.Reload(force=True)  # USD keeps layers by path
    return read_takes(path)


def write_like(layer: Sdf.Layer, path: Path, draft: Path) -> None:
    """Write a layer in the format of a file that it is to replace, text or binary.

    Raises:
        AuthorError: USD could not.
    """
    with path.open("rb") as stream:
        text = stream.read(5) == b"#usda"
    if not layer.Export(str(draft), args={"format": "usda" if text else "usdc"}):
        raise AuthorError(f"USD could not write {shown(path)}.")


def show_take(stage: Usd.Stage, number: int) -> None:
    """Have an open stage show a take in all of its gaps, here alone: in its session layer.

    Args:
        stage: A result.
        number: 1 is the best estimate.

    Raises:
        TakeNotFoundError: It has no such take.
        NoResultError: It is no result.
    """
    for layer in stage.GetLayerStack(False):
        if GAPS in layer.customLayerData:
            stage.MuteLayer(layer.identifier)
    for variants in _variants_of(stage):
        if not 1 <= number <= len(variants.names):
            raise TakeNotFoundError(f"there is no take {number}: the result has {len(variants.names)}.")
        select_variant(stage, variants, number - 1)


def record_of(stage: Usd.Stage) -> tuple[Sdf.Layer | None, Mapping[str, Any]]:
    """The data layer of a result and what it says of how it was made; None and nothing where it is muted.

    Raises:
        NoResultError: The root layer is not one that :mod:`usd_io.author.result` wrote.
    """
    root = stage.GetRootLayer()
    if not isinstance(root.customLayerData.get("anymole"), Mapping):
        name = shown(root.realPath or root.identifier)
        raise NoResultError(f"{name} is no result of anymole: name the root stage that a run gave.")
    for layer in stage.GetLayerStack(False):
        record = layer.customLayerData.get("anymole")
        if layer != root and isinstance(record, Mapping) and "takes" in record:
            return layer, record
    return None, {}


def _variants_of(stage: Usd.Stage) -> tuple[Variants, ...]:
    """The variants of all skeletons that have several takes, from the record of the result.

    Raises:
        NoResultError: The root layer is not one that :mod:`usd_io.author.result` wrote.
        AuthorError: The record is damaged.
    """
    root = stage.GetRootLayer()
    name = shown(root.realPath or root.identifier)
    _, record = record_of(stage)
    try:
        return tuple(_variants(record.get("takes", {})))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AuthorError(f"{name}: the record of its takes is damaged. Make the result again.") from error


def _variants(takes: Mapping[str, Any]) -> Iterator[Variants]:
    for take in takes.values():
        held = take.get("variants")
        if held is not None and len(held["names"]) > 1:
            if not Sdf.Path(held["owner"]).IsPrimPath():
                raise ValueError(held["owner"])
            yield Variants(str(held["owner"]), str(held["set"]), tuple(map(str, held["names"])))


def _active(stage: Usd.Stage, variants: Variants) -> int:
    """Number of the take that is selected, 0 for none of them."""
    owner = stage.GetPrimAtPath(variants.owner)
    chosen = owner.GetVariantSets().GetVariantSelection(variants.set) if owner else ""
    return variants.names.index(chosen) + 1 if chosen in variants.names else 0
