"""The run API: ``inspect`` a stage, ``plan`` the work, ``run`` it. Both faces call these and nothing else.

A run is seven stages that a newcomer can read top to bottom in :func:`_run_stages`; where motion is fitted to a video,
those of :mod:`engine.video_run` come before *score*::

    read -> plan -> fill -> score -> author -> check -> preview

Only this module, :mod:`engine.scene`, :mod:`engine.run_preview`, :mod:`engine.render`, :mod:`engine.evaluate` and
:mod:`engine.takes` call :mod:`usd_io`, with imports inside their functions, so that importing the engine stays quick.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.config import RunConfig, read_config
from engine.errors import (
    SHOWN_ERRORS,
    STOPPED,
    ConfigError,
    ResourceMissing,
    RunCancelled,
    exit_code,
    message_of,
)
from engine.events import Event, OnEvent, RunFailed, RunFinished, RunStarted, ignore
from engine.fill import Filled, Parts, fill, split
from engine.plan import Plan, dense_ranges, make_plan, sparse_keys
from engine.progress import Overall, Progress, StageReached, never
from engine.pulse import Pulse, where
from engine.score import score_run
from engine.source import Source
from engine.stored import Store
from engine.workspace import CANCEL, REPORT, SETTINGS, Workspace, read_state, result_stem, run_folder
from usd_io.errors import UsdIoError, shown
from usd_io.finding import Finding
from usd_io.model import Character, Motion, Shot, SkeletonInfo

STAGE_WEIGHTS = {"fill": 5.0, "score": 2.0, "author": 1.0, "check": 1.0, "preview": 6.0}
"""Stages of a run with their share of the time, measured on clips of a few seconds."""


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
    """Lone keys [time codes]."""
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


@dataclass(frozen=True, eq=False)
class Planned:
    """The work, before it is done: one plan per skeleton."""

    shot: Shot
    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """What a run made."""

    result: str
    """Root stage to open."""
    layer: str
    """Data layer with the animation."""
    run: str
    """Run folder."""
    plan: tuple[Mapping[str, Any], ...]
    scores: Mapping[str, Any]
    """By skeleton path."""
    previews: tuple[str, ...] = ()
    """Pictures and videos of the result."""


def inspect(stage: str) -> StageReport:
    """Say what is in a stage, without changing anything.

    Raises:
        UsdIoError: The stage cannot be opened.
    """
    from usd_io.stage import open_stage, stage_info

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
    from usd_io.read_character import read_character
    from usd_io.read_motion import read_motion

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
        unobservable=() if character is None else tuple(character.joints[j] for j in hidden),
        warnings=tuple(warnings),
    )


def plan(config: RunConfig) -> Planned:
    """Read the stage and find or check what is to be filled; writes nothing.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Times, joints or skeletons that do not exist; nothing to fill.
    """
    from usd_io.stage import read_shot

    return plan_shot(read_shot(config.stage, config.skeletons, meshes=False), config)


def plan_shot(shot: Shot, config: RunConfig) -> Planned:
    """The plans of a shot; a skeleton with nothing to fill is left out unless it was asked for."""
    chosen: list[tuple[Character, Motion, Plan]] = []
    refused: list[ConfigError] = []
    for character, motion in zip(shot.characters, shot.motions, strict=True):
        try:
            made = make_plan(character, motion, contexts=config.context, keys=config.keys, lock=config.lock)
            chosen.append((character, motion, made))
        except ConfigError as error:
            if config.skeletons:
                raise
            refused.append(error)
    if not chosen:
        raise refused[0]
    characters, motions, plans = zip(*chosen, strict=True)
    return Planned(replace(shot, characters=characters, motions=motions), plans, tuple(map(str, refused)))


def run(
    config: RunConfig,
    on_event: OnEvent = ignore,
    cancel: Callable[[], bool] = never,
    *,
    planned: Planned | None = None,
) -> RunResult:
    """From a stage with keys to a new layer with the motion between them.

    Args:
        config: All that decides the result.
        on_event: Called with every event, from several threads; they are written to the run folder too.
        cancel: Asked between steps; the run stops when it says True.
        planned: What :func:`plan` gave for this config, to not read the stage twice.

    Raises:
        EngineError, UsdIoError: What a user can mend, worded for the user; the source is untouched and no
            half-written result is left.
    """
    planned = planned or plan(config)
    workspace = Workspace(run_folder(config))
    return _run_in(workspace, lambda: config, on_event, cancel, planned)


def prepare(config: RunConfig) -> Path:
    """Make the folder of a run that :func:`resume` then does, in another process; returns it.

    Raises:
        ConfigError: The folder holds a result already.
        EngineError: It cannot be written to, or another process is at it.
    """
    workspace = Workspace(run_folder(config))
    try:
        workspace.settings(config)
        _await(workspace)
        return workspace.folder.absolute()
    finally:
        workspace.close()


def prepare_resume(folder: Path) -> None:
    """Make the run of a folder wait for the process that :func:`resume` is then called in.

    Raises:
        RunBusy: Another process writes it.
        EngineError: It cannot be written to.
    """
    read_state(folder)  # refuses a newer format before anything is written
    workspace = Workspace(folder)
    try:
        _await(workspace)
    finally:
        workspace.close()


def _await(workspace: Workspace) -> None:
    """From here on a wish to stop concerns the run to come."""
    (workspace.folder / CANCEL).unlink(missing_ok=True)
    workspace.state("waiting")


def resume(
    folder: Path,
    on_event: OnEvent = ignore,
    cancel: Callable[[], bool] = never,
    *,
    config: RunConfig | None = None,
    until: str = "",
) -> RunResult:
    """Start, go on with or confirm the run of a folder: stages that are done with the same inputs are not done again.

    Args:
        folder: The run folder.
        on_event: As for :func:`run`.
        cancel: As for :func:`run`.
        config: The settings; None takes those saved in the folder.
        until: A stage after which to stop; empty: none.

    Raises:
        StageReached: That stage is done.
        ConfigError: The folder holds no settings, or they cannot be used.
        EngineError, UsdIoError: As for :func:`run`.
    """
    if config is None and not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    read_state(folder)  # refuses a newer format before anything is written

    def settings() -> RunConfig:
        return replace(config or read_config(folder / SETTINGS), out=str(folder), force=True)

    return _run_in(Workspace(folder), settings, on_event, cancel, None, save=config is not None, until=until)


def advance(folder: Path, stage: str, on_event: OnEvent = ignore, cancel: Callable[[], bool] = never) -> None:
    """Do the run of a folder up to the end of a stage; what it made lies in ``artefacts``, and resuming goes on.

    Raises:
        ConfigError: The run has no such stage, or the folder no settings.
        EngineError, UsdIoError: As for :func:`run`.
    """
    if not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    config = read_config(folder / SETTINGS)
    stages = _weights(config, resolve_engine(config))
    if stage not in stages:
        raise ConfigError(
            f"the run in {shown(folder)} has no stage {shown(stage)}; it has {', '.join(stages)}."
        )
    with suppress(StageReached):
        resume(folder, on_event, cancel, until=stage)


def _run_in(
    workspace: Workspace,
    settings: Callable[[], RunConfig],
    on_event: OnEvent,
    cancel: Callable[[], bool],
    planned: Planned | None,
    *,
    save: bool = True,
    until: str = "",
) -> RunResult:
    """Do a run in a folder that is ours; however it ends, the folder says how."""
    overall = Overall()

    def tell(event: Event) -> None:
        overall.take(event, time.time())
        workspace.event(event)
        on_event(event)

    try:
        if read_state(workspace.folder).get("state") != "waiting":
            (workspace.folder / CANCEL).unlink(missing_ok=True)  # it was meant for an earlier process
        workspace.state("running", stage="plan", percent=0.0, remaining_s=None, exit_code=None, message="")
        config = settings()
        if save:
            workspace.settings(config)
        started = time.monotonic()
        engine = resolve_engine(config)
        tell(RunStarted(str(workspace.folder), config.to_dict(), _weights(config, engine), workspace.id))
        with Pulse(workspace, tell, overall) as pulse:
            progress = Progress(tell, lambda: _asked_to_stop(pulse, cancel), until)
            progress.check()
            result = _run_stages(config, engine, planned or plan(config), workspace, progress)
        workspace.write_json(REPORT, asdict(result))
        seconds = round(time.monotonic() - started, 3)
        tell(RunFinished(result.result, result.layer, result.scores, seconds))
        workspace.state("done", **where(overall), exit_code=0, result=result.result)
        return result
    except StageReached:
        workspace.state("waiting", **where(overall), message=f"stopped after {until}, as asked")
        raise
    except BaseException as error:
        _tell_failure(error, workspace, tell)
        raise
    finally:
        workspace.close()


def _asked_to_stop(pulse: Pulse, cancel: Callable[[], bool]) -> bool:
    pulse.check()
    if pulse.cancelled:
        raise RunCancelled(STOPPED)
    return cancel()


def _tell_failure(error: BaseException, workspace: Workspace, tell: OnEvent) -> None:
    message = message_of(error)
    code = int(exit_code(error))
    # what cannot be written any more (a full disk, a run that is another's now) must not hide why the run failed
    with suppress(*SHOWN_ERRORS):
        tell(RunFailed(message, code))
    with suppress(*SHOWN_ERRORS):
        stopped = isinstance(error, (RunCancelled, KeyboardInterrupt))
        workspace.state("cancelled" if stopped else "failed", exit_code=code, message=message)


def resolve_engine(config: RunConfig) -> Literal["motion", "video"]:
    """What ``auto`` means here: video where one is given, or where the model named has weights and a GPU."""
    if config.engine != "auto":
        return config.engine
    if config.video:
        return "video"
    from engine.video.models import card, find_model

    if config.model == "tiny" or find_model(card(config.model)).state != "ready":
        return "motion"
    from engine.video.backends import backend

    try:
        backend(config.model, memory=config.memory)
    except ResourceMissing:
        return "motion"
    return "video"


def _weights(config: RunConfig, engine: str) -> dict[str, float]:
    """Stages to come with their share of the time."""
    if engine == "motion":
        return STAGE_WEIGHTS
    from engine.video_run import stage_weights

    first = {"fill": STAGE_WEIGHTS["fill"]}
    return {**first, **stage_weights(config), **STAGE_WEIGHTS}


def _run_stages(
    config: RunConfig, engine: str, planned: Planned, workspace: Workspace, progress: Progress
) -> RunResult:
    if engine == "video":
        from engine.video_run import VideoRun, check_ready

        check_ready(config)
    source = Source(config)
    store = Store(
        workspace, progress, version=version("anymole"), source=source.hashes(), **_deciding(config)
    )
    source.compare_with(workspace, progress)
    progress.tell_plan(tuple(asdict(p) for p in planned.plans))
    _tell_warnings(planned, progress)
    characters, plans = planned.shot.characters, planned.plans
    with progress.stage("fill"):
        results = starts = fill_shot(planned, config, store)
    if engine == "video":
        results = VideoRun(config, characters, plans, starts, store, workspace.folder, progress).run()
    with progress.stage("score"):
        scores = store.json("score", lambda: score_run(characters, plans, results, starts, config.truth))
    source.check_unchanged()
    with progress.stage("author"):
        root, layer = store.files(
            "author",
            lambda: _author(config, engine, planned, results, scores, workspace),
            stage_path=config.stage,
            folder=str(workspace.folder),
            mode=config.author,
        )
        source.check_unchanged((root, layer))
    with progress.stage("check"):
        for finding in store.json("check", lambda: _new_findings(config.stage, root)):
            progress.note(f"{finding['rule']}: {finding['message']}", level="warning")
    previews = _preview(config, planned, results, workspace, store, progress) if config.preview else ()
    return RunResult(
        result=str(root),
        layer=str(layer),
        run=str(workspace.folder),
        plan=tuple(asdict(p) for p in planned.plans),
        scores=scores,
        previews=tuple(map(str, previews)),
    )


def _preview(
    config: RunConfig,
    planned: Planned,
    results: tuple[Filled, ...],
    workspace: Workspace,
    store: Store,
    progress: Progress,
) -> tuple[Path, ...]:
    from engine.run_preview import preview_run, try_preview

    def make() -> tuple[Path, ...]:
        characters = planned.shot.characters
        return preview_run(
            config.stage, characters, planned.plans, results, config.truth, workspace.folder, progress
        )

    with progress.stage("preview"):
        return try_preview(lambda: store.files("preview", make), progress)


_NOT_DECIDING = ("stage", "truth", "out", "force", "preview")
"""Settings that no output depends on, or that count by the contents of the files they name."""
_LATER = (
    *("author", "model", "prompt", "caption", "steps", "guidance", "adapt", "memory"),
    *("video", "video_fps", "video_offset", "camera", "features", "solver"),
)
"""Settings that count from the stage on that takes them, so that a change leaves what came before."""


def _deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide what every stage makes."""
    return {k: v for k, v in config.to_dict().items() if k not in (*_NOT_DECIDING, *_LATER)}


def fill_shot(planned: Planned, config: RunConfig, store: Store) -> tuple[Filled, ...]:
    """Run stage *fill* for every planned skeleton."""
    from usd_io.read_motion import read_motion
    from usd_io.stage import open_stage

    opened = open_stage(config.stage)

    def work(
        character: Character, motion: Motion, made: Plan
    ) -> tuple[Callable[[], Filled], Callable[[], Parts]]:
        def parts() -> Parts:
            return split(motion, made, partial(read_motion, opened, character.skeleton_path))

        def make() -> Filled:
            return fill(character, parts(), made, config.prior, takes=config.takes, seed=config.seed)

        return make, parts

    shot = planned.shot
    return store.fills(
        [work(*each) for each in zip(shot.characters, shot.motions, planned.plans, strict=True)]
    )


def _author(
    config: RunConfig,
    engine: str,
    planned: Planned,
    results: tuple[Filled, ...],
    scores: Mapping[str, Any],
    workspace: Workspace,
) -> tuple[Path, Path]:
    from usd_io.author import Take, author_result

    takes = {
        made.skeleton_path: Take(filled.motion, made.keys, filled.confidence, filled.others)
        for made, filled in zip(planned.plans, results, strict=True)
    }
    authored = author_result(
        config.stage,
        workspace.folder,
        result_stem(config),
        takes,
        mode=config.author,
        overwrite=config.force,
        provenance=_provenance(config, engine, planned, scores),
    )
    return authored.root, authored.layer


def _new_findings(source: str, result: Path) -> list[dict[str, Any]]:
    """What is wrong with the result and was not with its source."""
    before = {(finding.rule, finding.message) for finding in check(source)}
    return [
        asdict(finding)
        for finding in check(str(result))
        if finding.severity != "info" and (finding.rule, finding.message) not in before
    ]


def check(file: str) -> tuple[Finding, ...]:
    """Validate a stage for skeletal animation (docs/check.md).

    Raises:
        UsdIoError: The file cannot be opened.
    """
    from usd_io.validate import check_file

    return check_file(file)


def _tell_warnings(planned: Planned, progress: Progress) -> None:
    for note in planned.notes:
        progress.note(note)
    warnings = [w for c in planned.shot.characters for w in c.warnings] + [
        w for p in planned.plans for w in p.warnings
    ]
    for warning in dict.fromkeys((*planned.shot.info.warnings, *warnings)):
        progress.note(warning, level="warning")


def _provenance(
    config: RunConfig, engine: str, planned: Planned, scores: Mapping[str, Any]
) -> dict[str, Any]:
    """What made the result, as plain values; :mod:`usd_io.author` adds the source layers with their hashes."""
    return {
        "version": version("anymole"),
        "engine": engine,
        "prior": config.prior,
        "seed": config.seed,
        "settings": {k: v for k, v in config.to_dict().items() if k not in _NOT_DECIDING},
        "plans": [asdict(p) for p in planned.plans],
        "scores": scores,
    }
