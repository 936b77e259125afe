"""What is known of a result before anything is computed: the skeletons for which none can be written, and why."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from pxr import Sdf, Usd

from usd_io.author.layers import copy_metadata, write_bindings
from usd_io.diagnostics import captured
from usd_io.errors import AuthorError, shown
from usd_io.files import has_control_characters
from usd_io.read.placement import MODE, AuthorMode, Placed, binding_problem, place_takes


@captured()
def foresee_placement(
    stage: Usd.Stage,
    skeletons: Mapping[str, int],
    mode: AuthorMode,
    *,
    name: str = "inbetween",
    sharing: Collection[str] = (),
) -> Placed:
    """Where the results of some skeletons will go. The bindings are tried in memory over the stage, without a sample:
    only composition tells which opinion is the strongest.

    Args:
        stage: The source stage.
        skeletons: Number of takes by prim path.
        mode: As for :func:`usd_io.author.result.author_result`.
        name: As there.
        sharing: As there.

    Raises:
        AuthorError: Nothing can be written at all.
    """
    source = stage.GetRootLayer().realPath or stage.GetRootLayer().identifier
    if has_control_characters(source):
        raise AuthorError(
            f"{shown(source)} has a control character in its path, so no USD layer can refer to it. Rename it."
        )
    placed = place_takes(stage, skeletons, mode, name, sharing)
    trial = _trial(stage, placed)
    refused, kept = dict(placed.refused), []
    for placement in placed.placements:
        placement.select(trial, 0)
        problems = {b.skeleton_path: binding_problem(trial, placement, b) for b in placement.bindings}
        refused |= {path: why for path, why in problems.items() if why}
        fine = tuple(binding for binding in placement.bindings if not problems[binding.skeleton_path])
        if fine:
            kept.append(replace(placement, bindings=fine))
    if not kept:
        raise AuthorError(next(iter(refused.values())), settings=MODE)
    return Placed(tuple(kept), refused)


def _trial(stage: Usd.Stage, placed: Placed) -> Usd.Stage:
    data, root = Sdf.Layer.CreateAnonymous(".usda"), Sdf.Layer.CreateAnonymous(".usda")
    source = stage.GetRootLayer()
    copy_metadata(source, root)
    root.timeCodesPerSecond = data.timeCodesPerSecond = stage.GetTimeCodesPerSecond()
    root.subLayerPaths = [data.identifier, source.realPath or source.identifier]
    for placement in placed.placements:
        write_bindings(data, placement)
    return Usd.Stage.Open(root)
