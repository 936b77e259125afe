"""Write a result: a data layer with the animation, and a small root stage over the untouched source."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pxr import Tf, Usd

from usd_io.author.extents import widen_extents
from usd_io.author.flat import write_flat
from usd_io.author.layers import write_data_layer, write_root_layer
from usd_io.author.publish import Files, draft_of, publish, refuse_clobbering, result_files
from usd_io.author.samples import Filling, Placed, Take
from usd_io.author.verify import check_take, verify_result
from usd_io.diagnostics import captured, reason
from usd_io.errors import AuthorError, shown, unwritable
from usd_io.files import file_hash, relative_path
from usd_io.judge import Comparison
from usd_io.memory import give_back
from usd_io.provenance import layer_files, to_dictionary
from usd_io.read.placement import MODE, AuthorMode, place_takes
from usd_io.read.stage import open_stage

__all__ = ["AuthorMode", "Authored", "Take", "author_result"]

_OWN_KEYS = ("schema", "mode", "source", "takes")
"""Keys of the provenance that are filled in here."""


@dataclass(frozen=True)
class Authored:
    """The files of a result."""

    root: Path
    """Open this one."""
    layer: Path
    """Holds all of the animation; muted, the root shows the source. The root itself where the mode is ``flat``."""
    animations: Mapping[str, str]
    """Prim path of the animation for each skeleton path, all those that share one included."""
    compared: tuple[Comparison, ...] = ()
    """How the skeletons compare with the source outside of the gaps, by UsdSkel's own evaluation."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """By skeleton path, why nothing could be written for it."""


def _nothing() -> None:
    pass


def _any_name(path: Path) -> None:
    del path


@captured()
def author_result(
    source: str | Path | Usd.Stage,
    folder: Path,
    stem: str,
    takes: Mapping[str, Take],
    *,
    mode: AuthorMode = "rebind",
    name: str = "inbetween",
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    confirm: Callable[[], None] = _nothing,
    sharing: Collection[str] = (),
    claim: Callable[[Path], None] = _any_name,
    keep_earlier: bool = False,
) -> Authored:
    """Write ``STEM_anim.usdc`` and ``STEM.usda`` into a folder; the source is only read.

    Both files are written under temporary names, opened again and compared with what was requested, and only
    then renamed: on any error the folder is as it was. The data layer of a result that replaces another one has a
    number in its name (``STEM_anim_2.usdc``), so that at no moment the one's root stage shows the other's motion.

    Args:
        source: The stage that the motion was read from, by its path or open.
        folder: Where the result goes; made where it is missing.
        stem: File name without extension.
        takes: The result for each skeleton, by prim path. Those of one animation go on sharing one; the first that has
            a joint gives its motion.

    Other args:
        mode: ``rebind`` writes a new animation prim beside the old one and binds the skeleton to it; ``over``
            overrides the samples of the old prim, for tools that look it up by path; ``variant`` puts the new
            one into the variant set ``inbetween`` of the character, and works inside instances too, but only
            where the character is referenced. Several takes are variants of one set (:mod:`usd_io.author.takes`), the
            first one selected; ``over`` has room for one. ``flat`` writes ``STEM.usdc`` alone, one take in one file
            that shows what ``rebind`` shows and composes nothing (:mod:`usd_io.author.flat`).
        name: Suffix of the new animation prim, and name of the variant.
        provenance: What made the result: nested plain values, stored in ``customLayerData["anymole"]`` with
            the source layers, their SHA-256, and the keys.
        overwrite: Replace an earlier result of this name.
        confirm: Called when the result is written and verified, before it gets its names; what it raises leaves the
            folder as it was, an earlier result too.
        sharing: Further skeletons that share the animations of those in ``takes`` and go on doing so; the others keep
            the old one.
        claim: Called with each name that is about to be taken, like ``confirm``.
        keep_earlier: Leave the data layer of the result that is replaced, for those who are just reading it; the caller
            removes it.

    Blend shape weights are copied from the source as authored; ``Motion.blend_weights`` is not used.

    Raises:
        StageReadError: The source cannot be opened.
        AuthorError: The result cannot be written, or the mode does not work on this stage.
    """
    files = result_files(Path(folder), stem, flat=mode == "flat")
    stage = open_stage(source)
    counts = {path: len(take.motions) for path, take in takes.items()}
    found = place_takes(stage, counts, mode, name, sharing)
    placed = [(p, {path: takes[path] for path in p.made_of}) for p in found.placements]
    if lost := [path for path in takes if not any(path in own for _, own in placed)]:
        raise AuthorError(found.refused[lost[0]], settings=MODE)
    for placement, own in placed:
        for path, take in own.items():
            check_take(stage, placement, path, take)
    try:
        refuse_clobbering(files, layer_files(stage), overwrite)
        custom = _custom_data(stage, files, placed, mode, provenance or {})
        with draft_of(files) as draft:
            written, compared = _write(draft, stage, placed, custom, flat=mode == "flat")
            confirm()
            files = publish(written, files, claim, keep_earlier=keep_earlier)
    except Tf.ErrorException as error:
        raise AuthorError(f"USD could not write {shown(files.root)}: {reason(error)}") from error
    except OSError as error:
        raise AuthorError(unwritable(files.root, error, "choose another folder")) from error
    animations = {path: p.animation_path for p in found.placements for path in p.skeleton_paths}
    return Authored(files.root, files.data, animations, compared, found.refused)


def _write(
    draft: Files, stage: Usd.Stage, placed: Sequence[Placed], custom: Mapping[str, Any], *, flat: bool
) -> tuple[Files, tuple[Comparison, ...]]:
    """What was written, and how it compares with the source."""
    root = shown(stage.GetRootLayer().realPath or stage.GetRootLayer().identifier)
    write_data_layer(draft.data, stage, placed, custom, comment=f"In-betweened motion for {Path(root).name}.")
    give_back()  # a layer's samples are many small pieces
    comment = "Result of anymole: the animation layer over the untouched source."
    write_root_layer(draft.root, stage, placed, custom, data=f"./{draft.data.name}", comment=comment)
    widen_extents(draft.root, draft.data, stage, placed)
    if flat:
        whole = draft.root.with_name(draft.root.name.replace(".draft.", ".draft_flat.")).with_suffix(".usdc")
        write_flat(draft.root, whole, custom)
        draft = Files(whole, whole)
    return draft, verify_result(draft.root, stage, placed)


def _custom_data(
    stage: Usd.Stage,
    files: Files,
    placed: Sequence[Placed],
    mode: AuthorMode,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    clash = sorted(set(_OWN_KEYS) & set(provenance))
    if clash:
        raise AuthorError(f"The provenance names {', '.join(clash)}, which are filled in while writing.")
    root = stage.GetRootLayer()
    folder = files.root.parent
    layers = [
        {"path": relative_path(str(file), folder), "sha256": file_hash(file)} for file in layer_files(stage)
    ]
    own = {
        "schema": 1,
        "mode": mode,
        "source": {"root": relative_path(root.realPath or root.identifier, folder), "layers": layers},
        "takes": [record for each in placed for record in _describe(stage, each)],
    }
    return to_dictionary({**provenance, **own})


def _describe(stage: Usd.Stage, placed: Placed) -> list[dict[str, Any]]:
    """One record per skeleton."""
    placement, takes = placed
    gaps = {
        channel: [float(time) for gap in own for time in gap]
        for channel, own in Filling(stage, placement, takes).gaps.items()
    }
    keys = [float(time) for time in next(iter(takes.values())).key_times]
    records = []
    for binding in placement.bindings:
        variants = binding.variants or placement.variants
        records.append(
            {
                "skeleton": binding.skeleton_path,
                "animation": placement.animation_path,
                "source_animation": placement.source_animation_path,
                "variants": None if variants is None else asdict(variants),
                "keys": keys,
                "gaps": gaps,
            }
        )
    return records
