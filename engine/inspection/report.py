"""What is in a stage, and what is wrong with it: ``anymole inspect`` and ``anymole check``.

Like :mod:`engine.run` this module calls :mod:`usd_io`, with imports inside its functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.planning.plan import dense_ranges, make_plan, sparse_keys
from usd_io.check.finding import Finding
from usd_io.errors import UsdIoError, shown
from usd_io.model import Character, Motion, SkeletonInfo


@dataclass(frozen=True)
class SkeletonReport:
    """What ``inspect`` says of one skeleton."""

    path: str
    joint_count: int
    joints: tuple[str, ...]
    animation: str | None
    binding: str | None
    instanced: bool
    moving_xform: str | None
    sample_count: int
    dense: tuple[tuple[float, float], ...]
    """Ranges of finished motion [time codes]."""
    sparse: tuple[float, ...]
    """Lone samples [time codes]."""
    keys: tuple[float, ...]
    """Between which a run without options fills: lone samples, and the end of finished motion where a gap begins or
    ends [time codes]."""
    unobservable: tuple[str, ...]
    """Joints without skin weight of their own (roots, leaf ends, IK targets): no picture shows their rotation apart
    from that of the joints below."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StageReport:
    """What ``inspect`` says of a stage."""

    stage: str
    layers: tuple[str, ...]
    start: float | None
    end: float | None
    time_codes_per_second: float
    frame_rate: float
    up_axis: str
    meters_per_unit: float
    default_prim: str | None
    skeletons: tuple[SkeletonReport, ...]
    warnings: tuple[str, ...]


def inspect(stage: str) -> StageReport:
    """Say what is in a stage, without changing anything.

    Raises:
        UsdIoError: The stage cannot be opened.
    """
    from usd_io.read.stage import open_stage, stage_info

    opened = open_stage(stage)
    info = stage_info(opened)
    return StageReport(
        stage=info.path,
        layers=info.layers,
        start=info.start,
        end=info.end,
        time_codes_per_second=info.time_codes_per_second,
        frame_rate=info.frame_rate,
        up_axis=info.up_axis,
        meters_per_unit=info.meters_per_unit,
        default_prim=info.default_prim,
        skeletons=tuple(_inspect_skeleton(opened, skeleton) for skeleton in info.skeletons),
        warnings=info.warnings,
    )


def _inspect_skeleton(opened: Any, info: SkeletonInfo) -> SkeletonReport:
    """What cannot be read becomes a warning: ``inspect`` shows as much as there is."""
    from usd_io.read.character import read_character
    from usd_io.read.motion import read_motion

    warnings: list[str] = []
    character, motion = None, None
    try:
        character = read_character(opened, info.path)
        warnings += character.warnings
        motion = read_motion(opened, info.path)
    except UsdIoError as error:
        warnings.append(str(error))
    hidden = () if character is None else np.flatnonzero(~character.weighted)
    return SkeletonReport(
        path=info.path,
        joint_count=info.joint_count,
        joints=() if character is None else character.joints,
        animation=info.animation_path,
        binding=info.binding_path,
        instanced=info.instance_proxy,
        moving_xform=info.moving_xform,
        sample_count=info.sample_count,
        dense=() if motion is None else dense_ranges(motion),
        sparse=() if motion is None else sparse_keys(motion),
        keys=() if character is None or motion is None else _keys(character, motion),
        unobservable=() if character is None else tuple(character.joints[j] for j in hidden),
        warnings=tuple(warnings),
    )


def _keys(character: Character, motion: Motion) -> tuple[float, ...]:
    try:
        return make_plan(character, motion).keys
    except ConfigError:  # nothing to fill
        return sparse_keys(motion)


def reader_names() -> tuple[str, ...]:
    """Programs whose losses :func:`check` knows."""
    from usd_io.check.readers import READERS

    return tuple(READERS)


def check(file: str, readers: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Validate a stage for skeletal animation (docs/check.md).

    Args:
        file: A USD file.
        readers: Programs that are to open it, such as ``blender``: what it uses and they drop is a warning
            (docs/interop.md).

    Raises:
        ConfigError: A reader is not known.
        UsdIoError: The file cannot be opened.
    """
    from usd_io.check.readers import READERS, reader_findings
    from usd_io.check.rules import check_stage
    from usd_io.read.stage import open_stage

    unknown = next((name for name in readers if name not in READERS), None)
    if unknown is not None:
        raise ConfigError(
            f"no reader {shown(unknown)!r} is known; name some of {', '.join(READERS)}.",
            settings=("readers",),
        )
    stage = open_stage(file)
    return (*check_stage(stage), *reader_findings(stage, readers))
