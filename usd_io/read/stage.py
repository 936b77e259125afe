"""Open a stage, say what is in it, and read a shot from it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pxr import Ar, Sdf, Tf, Usd, UsdGeom, UsdSkel

from usd_io.diagnostics import captured, reason, sentence
from usd_io.errors import StageNotFoundError, StageReadError, is_refused, shown
from usd_io.files import FORMAT_ARGUMENTS
from usd_io.model import Motion, Shot, SkeletonInfo, StageInfo
from usd_io.read.character import find_skinned, read_bound_character
from usd_io.read.known_types import refuse_unknown_types
from usd_io.read.motion import read_motion
from usd_io.read.skeleton import (
    ancestry,
    animation_groups,
    animation_of,
    bound_skeleton,
    skeleton_prims,
    why_no_skeleton,
)
from usd_io.shapes import Float

SLOWEST_RATE = 1e-6
"""Rates below this, and above its inverse, are no rates of time: quotients of them leave the range of numbers."""


def _is_pipe(name: str) -> bool:
    try:
        return Path(name).is_fifo()
    except OSError:  # a name that no file can have
        return False


def open_stage(path: str | Path | Usd.Stage, *, in_times_of: Usd.Stage | None = None) -> Usd.Stage:
    """Open a USD stage with all its payloads.

    What a stage refers to and cannot find does not fail here: :func:`stage_info` reports it as a warning, and
    looking for a skeleton that is missing for that reason says so.

    Args:
        path: A file (.usd, .usda, .usdc, .usdz) or whatever else the asset resolver knows. A stage that is open
            already is given back as it is.
        in_times_of: Another stage, at whose time codes per second its times are to be counted, as USD counts those of
            layers that it composes; None: at its own.

    Raises:
        StageNotFoundError: There is no such file.
        StageReadError: It is no USD file, damaged, or may not be read; its frame rates are not positive; or what it
            says of a character is of a type that USD does not know.
    """
    if isinstance(path, Usd.Stage):
        return path
    identifier = str(path)
    if _is_pipe(identifier):
        raise StageReadError(f"{shown(identifier)} is a pipe, which USD would wait for; name a file.")
    if FORMAT_ARGUMENTS in identifier:
        raise StageReadError(
            f"{shown(identifier)} cannot be opened by USD, which reads what follows {FORMAT_ARGUMENTS} in a path as "
            "options; rename it."
        )
    if any("\ud800" <= c <= "\udfff" for c in identifier):  # so Python has bytes that are no text
        raise StageReadError(
            f"{shown(identifier)} cannot be opened by USD, whose paths are UTF-8; rename it, or have a locale of UTF-8 "
            "(LC_ALL=C.UTF-8)."
        )
    with captured():
        try:
            stage = Usd.Stage.Open(identifier)
        except Tf.ErrorException as error:
            raise _cannot_open(identifier, error) from None
    for name, rate in (
        ("timeCodesPerSecond", stage.GetTimeCodesPerSecond()),
        ("framesPerSecond", stage.GetFramesPerSecond()),
    ):
        if not SLOWEST_RATE <= rate <= 1 / SLOWEST_RATE:
            raise StageReadError(
                f"{shown(identifier)}: {name} is {rate:g}; it must be a positive number, from {SLOWEST_RATE:g} to "
                f"{1 / SLOWEST_RATE:g}."
            )
    with captured():
        refuse_unknown_types(stage)
    return stage if in_times_of is None else _counted_as(stage, in_times_of.GetTimeCodesPerSecond())


def _counted_as(stage: Usd.Stage, rate: float) -> Usd.Stage:
    """A stage with its times at another number of time codes per second: a session layer decides over its layers."""
    if stage.GetTimeCodesPerSecond() == rate:
        return stage
    session = Sdf.Layer.CreateAnonymous()
    session.timeCodesPerSecond = rate
    with captured():
        return Usd.Stage.Open(stage.GetRootLayer(), session)


def _cannot_open(identifier: str, error: Tf.ErrorException) -> StageReadError:
    name = shown(identifier)
    if _is_hidden(identifier):
        return StageNotFoundError(f"{name} may not be looked at: its folder may not be entered; allow it.")
    if not identifier or not Ar.GetResolver().Resolve(identifier):
        return StageNotFoundError(f"{name or 'a file of no name'} does not exist; name a USD file.")
    if Path(identifier).is_dir():
        return StageNotFoundError(f"{name} is a folder; name a USD file in it.")
    if Path(identifier).is_file() and not os.access(identifier, os.R_OK):
        return StageNotFoundError(f"{name} may not be read; allow it, or name another file.")
    if not Usd.Stage.IsSupportedFile(identifier):
        return StageReadError(f"{name} is no USD file; it takes one of .usd, .usda, .usdc and .usdz.")
    return StageReadError(
        f"{name} cannot be read as USD, it is damaged or of another kind: {reason(error, identifier)}"
    )


def _is_hidden(identifier: str) -> bool:
    """Whether the system does not say if there is such a file."""
    try:
        os.stat(identifier)  # noqa: PTH116  # what is no path raises alike
    except OSError as error:
        return is_refused(error)
    except ValueError:
        pass
    return False


def composition_problems(stage: Usd.Stage) -> tuple[str, ...]:
    """Sublayers, references and payloads that were not found, one sentence with layer and asset path each."""
    return tuple(dict.fromkeys(sentence(error) for error in stage.GetCompositionErrors()))


def find_skeletons(stage: Usd.Stage) -> tuple[SkeletonInfo, ...]:
    """What the stage says of each of its skeletons, those inside instances too.

    One without a valid hierarchy of joints is left out; the warnings of :func:`stage_info` name it.
    """
    return _survey(stage)[0]


def _survey(stage: Usd.Stage) -> tuple[tuple[SkeletonInfo, ...], list[str]]:
    found, problems = [], []
    with captured():
        for prim in skeleton_prims(stage):
            try:
                found.append(_skeleton_info(stage, str(prim.GetPath())))
            except StageReadError as error:
                problems.append(str(error))
    return tuple(found), problems


def _skeleton_info(stage: Usd.Stage, path: str) -> SkeletonInfo:
    skeleton = bound_skeleton(stage, path)
    return SkeletonInfo(
        path=path,
        joint_count=len(skeleton.joints),
        animation_path=str(skeleton.animation.GetPath()) if skeleton.animation else None,
        binding_path=str(skeleton.binding.GetPath()) if skeleton.binding else None,
        sample_count=len(skeleton.sample_times()),
        instance_proxy=skeleton.prim.IsInstanceProxy(),
        moving_xform=str(skeleton.mover.GetPath()) if skeleton.mover else None,
    )


def read_stage_info(path: str | Path) -> StageInfo:
    """Open a stage and say what is in it; see :func:`stage_info`."""
    return stage_info(open_stage(path))


@captured()
def stage_info(stage: Usd.Stage) -> StageInfo:
    """What a stage is: its layers, times, axes and skeletons. No samples are read."""
    ranged = stage.HasAuthoredTimeCodeRange()
    default = stage.GetDefaultPrim()
    skeletons, problems = _survey(stage)
    return StageInfo(
        path=stage.GetRootLayer().identifier,
        layers=_used_layers(stage),
        start=stage.GetStartTimeCode() if ranged else None,
        end=stage.GetEndTimeCode() if ranged else None,
        time_codes_per_second=stage.GetTimeCodesPerSecond(),
        frame_rate=stage.GetFramesPerSecond(),
        up_axis="Z" if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z else "Y",
        meters_per_unit=UsdGeom.GetStageMetersPerUnit(stage),
        default_prim=str(default.GetPath()) if default else None,
        skeletons=skeletons,
        warnings=(*composition_problems(stage), *problems, *_outside_roots(stage)),
    )


def _used_layers(stage: Usd.Stage) -> tuple[str, ...]:
    local = [layer.identifier for layer in stage.GetLayerStack(includeSessionLayers=False)]
    used = {layer.identifier for layer in stage.GetUsedLayers() if layer != stage.GetSessionLayer()}
    return (*local, *sorted(used.difference(local)))


def _outside_roots(stage: Usd.Stage) -> list[str]:
    return [
        f"<{prim.GetPath()}> is not below a SkelRoot: USD draws no skin for it."
        for prim in skeleton_prims(stage)
        if not any(p.IsA(UsdSkel.Root) for p in ancestry(prim))
    ]


@captured()
def read_shot(
    path: str | Path | Usd.Stage,
    skeleton_paths: Sequence[str] = (),
    meshes: bool = True,
    *,
    once: bool = False,
) -> Shot:
    """Read skeletons with their motion at their authored samples.

    Args:
        path: The stage, as for :func:`open_stage`.
        skeleton_paths: Prim paths; none chooses every skeleton with two joint samples or more.
        meshes: False leaves out what is bound to the skeletons, where only motion is of interest.
        once: Read each animation once: of the skeletons that share it only as many as it takes to have all of its
            joints.

    Raises:
        StageReadError: The stage cannot be read, has no skeleton that moves, or holds values that cannot
            be used.
    """
    stage = open_stage(path)
    info = stage_info(stage)
    chosen = tuple(skeleton_paths) or tuple(s.path for s in info.skeletons if s.sample_count >= 2)
    if not chosen:
        raise _nothing_moves(stage, info)
    groups = _chosen_groups(stage, chosen)
    speaking = [
        (path, tuple(group)) for group in groups for path in (_covering(stage, group) if once else group)
    ]
    if not once:
        speaking.sort(key=lambda each: chosen.index(each[0]))
    motions = tuple(read_motion(stage, chosen_path) for chosen_path, _ in speaking)
    skinned = find_skinned(stage) if meshes else None
    characters = tuple(read_bound_character(stage, chosen_path, skinned) for chosen_path, _ in speaking)
    return Shot(info, characters, motions, tuple(group for _, group in speaking))


def _chosen_groups(stage: Usd.Stage, chosen: Sequence[str]) -> list[list[str]]:
    """The chosen skeletons by the animation that drives them, in the order in which they were chosen."""
    groups = {str(prim.GetPath()): group for group in animation_groups(stage) for prim in group}
    result: list[list[str]] = []
    done: set[str] = set()
    for path in chosen:
        if path not in done:
            members = {str(prim.GetPath()) for prim in groups.get(path, ())} | {path}
            result.append([other for other in dict.fromkeys(chosen) if other in members])
            done |= set(result[-1])
    return result


def _covering(stage: Usd.Stage, group: Sequence[str]) -> list[str]:
    """Of skeletons that share an animation as few as have all joints that any of them has: rigs of several levels of
    detail move as one."""
    if len(group) == 1:
        return list(group)
    joints = {path: set(bound_skeleton(stage, path).joints) for path in group}
    animation = animation_of(stage.GetPrimAtPath(group[0]))
    driven = set(UsdSkel.Animation(animation).GetJointsAttr().Get() or ()) if animation else set()
    lacking = driven & set().union(*joints.values())
    result: list[str] = []
    while lacking or not result:
        best = max(joints, key=lambda path: len(joints[path] & lacking))
        result.append(best)
        lacking -= joints[best]
    return result


@captured()
def read_motion_at(path: str | Path, skeleton_path: str, times: Float[np.ndarray, " frame"]) -> Motion:
    """Sample one skeleton of a stage at given time codes; see :func:`usd_io.read.motion.read_motion`."""
    return read_motion(open_stage(path), skeleton_path, times)


def _nothing_moves(stage: Usd.Stage, info: StageInfo) -> StageReadError:
    paths = [str(prim.GetPath()) for prim in skeleton_prims(stage)]
    if not paths:
        return StageReadError(f"{shown(info.path)} holds no skeleton. {why_no_skeleton(stage)}")
    try:
        read_motion(stage, paths[0])
    except StageReadError as error:
        others = f" None of its {len(paths) - 1} other skeletons moves either." if len(paths) > 1 else ""
        return StageReadError(f"{error}{others}")
    raise AssertionError("a skeleton without samples was read")
