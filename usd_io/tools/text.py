"""A layer as text, a stage as a tree: ``anymole usd cat`` and ``anymole usd tree``."""

from collections.abc import Iterator
from pathlib import Path

from pxr import Sdf, Tf, Usd

from usd_io.browse.view import EVERYTHING
from usd_io.diagnostics import captured, reason
from usd_io.errors import StageNotFoundError, StageReadError, counted, shown
from usd_io.provenance import layer_files
from usd_io.read.stage import open_stage
from usd_io.tools.output import check_output, write_layer


def read_layer(file: str | Path, *, flatten: bool = False) -> Sdf.Layer:
    """A copy of a layer in memory, or of all that its stage is composed of as one layer.

    Args:
        file: A USD file.
        flatten: Compose; asset paths become absolute then.

    Raises:
        StageReadError: It cannot be opened.
    """
    stage = open_stage(file)
    with captured():
        try:
            if flatten:
                return stage.Flatten(addSourceFileComment=False)
            copy = Sdf.Layer.CreateAnonymous(".usda")
            copy.TransferContent(stage.GetRootLayer())
            return copy
        except Tf.ErrorException as error:
            raise StageReadError(f"{shown(file)} cannot be composed: {reason(error)}") from error


def layer_text(file: str | Path, *, flatten: bool = False) -> str:
    """A layer as usda text; see :func:`read_layer`."""
    return str(read_layer(file, flatten=flatten).ExportToString())


def convert_layer(file: str | Path, out: Path, *, flatten: bool = False, overwrite: bool = False) -> None:
    """Write a layer in the format that a file's name says; see :func:`read_layer`.

    Raises:
        AuthorError: It cannot be written there.
    """
    stage = open_stage(file)
    check_output(out, layer_files(stage), overwrite=overwrite)
    write_layer(read_layer(file, flatten=flatten), out, anchor=None if flatten else stage.GetRootLayer())


def tree(file: str | Path, *, under: str = "/", attributes: bool = False) -> Iterator[str]:
    """A line per prim of a composed stage, children deeper: name, type, and what else is to be known.

    Args:
        file: A USD file.
        under: The prim to begin with.
        attributes: Name authored properties too, with the number of their samples.

    Raises:
        StageReadError: It cannot be opened.
        StageNotFoundError: There is no such prim.
    """
    stage = open_stage(file)
    root = stage.GetPrimAtPath(under) if Sdf.Path.IsValidPathString(under) else None
    if not root:
        raise StageNotFoundError(f"{shown(file)} has no prim {shown(under)}.")
    top = max(1, root.GetPath().pathElementCount)
    for prim in Usd.PrimRange(root, EVERYTHING):
        depth = prim.GetPath().pathElementCount - top
        if not prim.IsPseudoRoot():
            yield "  " * depth + _describe(prim)
            if attributes:
                for attribute in prim.GetAuthoredProperties():
                    yield "  " * (depth + 1) + "." + _property(attribute)


def _describe(prim: Usd.Prim) -> str:
    facts = [shown(prim.GetName())]
    if prim.GetTypeName():
        facts.append(shown(prim.GetTypeName()))
    for name in prim.GetVariantSets().GetNames():
        chosen = prim.GetVariantSets().GetVariantSelection(name)
        facts.append(shown(f"{{{name}={chosen}}}"))
    for said, true in (
        ("inactive", not prim.IsActive()),
        ("over", not prim.HasDefiningSpecifier()),
        ("class", prim.IsAbstract()),
        ("instance", prim.IsInstance()),
        ("payload", prim.HasAuthoredPayloads()),
        ("reference", prim.HasAuthoredReferences()),
    ):
        if true:
            facts.append(f"[{said}]")
    return " ".join(facts)


def _property(found: Usd.Property) -> str:
    if isinstance(found, Usd.Relationship):
        targets = ", ".join(f"<{target}>" for target in found.GetTargets())
        return shown(f"{found.GetName()} -> {targets}")
    samples = found.GetNumTimeSamples()
    count = f" ({counted(samples, 'sample')})" if samples else ""
    return shown(f"{found.GetName()} {found.GetTypeName()}") + count
