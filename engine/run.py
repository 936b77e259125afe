"""The run API: ``inspect`` a stage, ``plan`` the work, ``run`` it. Both faces call these and nothing else.

Here is how a run begins, goes on and ends in its folder; what it does is in :mod:`engine.pipeline`.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from engine.config import RunConfig
from engine.errors import (
    SHOWN_ERRORS,
    STOPPED,
    ConfigError,
    NotWritable,
    RunCancelled,
    exit_code,
    message_of,
)
from engine.events import Event, Note, OnEvent, RunFailed, RunFinished, RunStarted, ignore
from engine.files.json_values import to_plain
from engine.files.owned_folder import check_writable
from engine.inspection.report import check, inspect
from engine.inspection.unheeded import unheeded
from engine.planning.foresee import foresee
from engine.planning.shot_plan import Planned
from engine.planning.shot_plan import plan as plan_fill
from engine.progress import Overall, Progress, StageReached, never
from engine.runs.artefacts import is_intact_with
from engine.runs.heartbeat import Heartbeat, where
from engine.runs.process import StopSignals
from engine.runs.sidecar import write_sidecar
from engine.runs.workspace import (
    REPORT,
    SETTINGS,
    State,
    Workspace,
    check_out,
    check_readable,
    check_result_names,
    read_settings,
    read_state,
    result_stem,
    run_folder,
)
from engine.settings.choices import PriorName
from usd_io.errors import StageNotFoundError, shown

if TYPE_CHECKING:  # what only a run needs is imported by it: plans are quicker without
    from engine.pipeline import RunResult

__all__ = [
    "advance",
    "check",
    "check_ready",
    "check_stage",
    "inspect",
    "plan",
    "prepare",
    "prepare_resume",
    "resume",
    "run",
]

NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


def plan(config: RunConfig, *, dry: bool = False) -> Planned:
    """Read the stage, find or check what is to be filled, and whether a result can be written; writes nothing.

    Args:
        config: All that decides the plan.
        dry: Whether no run follows: then a folder that cannot be written to is a note.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Times, joints, skeletons or a video that do not exist; nothing to fill; nothing can be written; a
            truth that is none.
        DataError: The video cannot be read.
        SourceChanged: A file of the stage was saved meanwhile.
    """
    try:
        run_folder(config)  # refuses one that cannot or must not be written to
    except NotWritable as error:
        if not dry:
            raise
        planned = _plan(config, dry=True)
        return replace(planned, notes=(*planned.notes, str(error)))
    return _plan(config)


def check_ready(config: RunConfig, planned: Planned) -> None:
    """Find out whether the video engine, where it is asked for, can do what was planned. A run does this itself before
    any work; what files do not tell already needs torch, so that plans go without.

    Raises:
        ConfigError: A gap is longer than what the video model holds at once; says which keys make it fit.
        ResourceMissing: Weights, a package, memory or a device are missing; says what to do.
    """
    _check_files(config, planned)
    if config.engine == "video" and not config.video:
        from engine.video_pipeline import check_ready

        check_ready(config, planned.plans, planned.shot.motions[0].time_codes_per_second)


def _check_files(config: RunConfig, planned: Planned) -> None:
    """As :func:`check_ready`, as far as files tell: a run that lacks some leaves no folder behind."""
    if config.engine == "video" or config.video:
        from engine.video.catalogue.ready import check_files

        check_files(config, planned.plans, planned.shot.motions[0].time_codes_per_second)


def _plan(config: RunConfig, *, dry: bool = False) -> Planned:
    if config.prior not in get_args(PriorName):
        from engine.priors.catalogue import prior_of

        prior_of(config.prior)  # refuses one whose package is broken
    planned = plan_fill(config)
    assert planned.source is not None
    stage, truth = planned.source.stage, planned.source.truth
    planned = foresee(planned, stage, config, dry=dry)
    notes = [*planned.notes, *unheeded(config)]
    if truth is not None:
        from engine.planning.truth import check_truth

        notes += check_truth(planned.shot.characters, planned.plans, stage, truth)
    planned = replace(planned, notes=tuple(notes))
    if config.video:
        from engine.scene.given_video import check_given_videos

        check_given_videos(config, stage, planned.plans, planned.shot.motions[0].time_codes_per_second)
    elif config.engine == "video" and config.camera:
        from engine.scene.given_video import check_camera_of_generated

        check_camera_of_generated(config, stage, planned.plans)
    return planned


def run(
    config: RunConfig,
    on_event: OnEvent = ignore,
    cancel: Callable[[], bool] = never,
    *,
    planned: Planned | None = None,
) -> "RunResult":
    """From a stage with keys to a new layer with the motion between them.

    Args:
        config: All that decides the result.
        on_event: Called with every event, from several threads; they are written to the run folder too.
        cancel: Called between steps; the run stops when it returns True.
        planned: What :func:`plan` gave for this config, to not read the stage twice.

    Raises:
        EngineError, UsdIoError: What a user can fix, worded for the user; the source is untouched and no
            half-written result is left.
    """
    folder = run_folder(config)
    if planned is None or planned.source is None:
        planned = plan(config)
    _check_files(config, planned)
    workspace = Workspace(folder)
    return _run_in(workspace, lambda: config, on_event, cancel, planned)


def prepare(config: RunConfig, planned: Planned | None = None) -> Path:
    """Make the folder of a run that :func:`resume` then does, in another process; returns it.

    Args:
        config: All that decides the result.
        planned: What :func:`plan` gave for this config: then files that the run would lack are found out here.

    Raises:
        ConfigError: The folder holds a result already.
        ResourceMissing: Weights are missing.
        EngineError: It cannot be written to, or another process is at it.
    """
    folder = run_folder(config)
    if planned is not None:
        _check_files(config, planned)
    workspace = Workspace(folder)
    try:
        workspace.settings(config)
        _await(workspace)
        return workspace.folder.absolute()
    finally:
        workspace.close()


def prepare_resume(folder: Path, changes: Mapping[str, Any] = NO_CHANGES) -> None:
    """Make the run of a folder wait for the process that :func:`resume` is then called in.

    Args:
        folder: The run folder.
        changes: As for :func:`resume`; they are planned with and saved here.

    Raises:
        RunBusy: Another process writes it.
        ConfigError: The changes cannot be used, or nothing can be written with them.
        EngineError: It cannot be written to.
        EngineError, UsdIoError: The run is done, and cannot be planned again; it stays done.
    """
    check_readable(folder)
    read_state(folder)  # refuses a newer format before anything is written
    check_writable(folder, elsewhere="")
    config = _plan_changed(folder, changes)[0] if changes else None
    if not changes and _is_done(folder):
        _plan_as_saved(_saved(folder))
    workspace = Workspace(folder, by_hand=True)
    try:
        if config is not None:
            workspace.settings(config)
        _await(workspace)
    finally:
        workspace.close()


def _await(workspace: Workspace) -> None:
    """From here on a wish to stop concerns the run to come."""
    workspace.forget_cancel()
    workspace.state("waiting")


def resume(
    folder: str | Path,
    on_event: OnEvent = ignore,
    cancel: Callable[[], bool] = never,
    *,
    config: RunConfig | None = None,
    changes: Mapping[str, Any] = NO_CHANGES,
    until: str = "",
) -> "RunResult":
    """Start, go on with or confirm the run of a folder: stages that are done with the same inputs are not done again.

    A run that is done is planned before anything is written: where that fails it stays done.

    Args:
        folder: The run folder.
        on_event: As for :func:`run`.
        cancel: As for :func:`run`.
        config: The settings; None takes those saved in the folder.
        changes: Settings that are other than the saved ones from now on, by their names (``{"author": "flat"}``). They
            are planned with before anything is written, so that what cannot be done leaves the run as it was.
        until: A stage after which to stop; empty: none.

    Raises:
        StageReached: That stage is done.
        ConfigError: The folder holds no settings, or they cannot be used.
        EngineError, UsdIoError: As for :func:`run`.
    """
    folder = Path(folder)
    check_readable(folder)
    if config is None and not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    read_state(folder)  # refuses a newer format before anything is written

    if config is not None:
        check_out(folder, config)
    else:
        check_writable(folder, elsewhere="")

    def settings() -> RunConfig:
        return _saved(folder, config)

    by_hand, planned = config is None, None
    if changes:
        config, planned = _plan_changed(folder, changes, config)
    elif _is_done(folder):
        planned = _plan_as_saved(settings())
    workspace = Workspace(folder, by_hand=by_hand)
    return _run_in(workspace, settings, on_event, cancel, planned, save=config is not None, until=until)


def _plan_changed(
    folder: Path, changes: Mapping[str, Any], config: RunConfig | None = None
) -> tuple[RunConfig, Planned]:
    """The settings with changes, planned; errors as of :func:`resume`."""
    changed = replace(_saved(folder, config), **{**changes, "out": str(folder), "force": True})
    check_result_names(folder, changed)
    with _naming_what_is_gone(changed):
        return changed, _plan(changed)


def _saved(folder: Path, config: RunConfig | None = None) -> RunConfig:
    """Settings that are given, or those of the folder, with the result in it."""
    return replace(config or read_settings(folder), out=str(folder), force=True)


def _is_done(folder: Path) -> bool:
    return read_state(folder).get("state") == "done"


def _plan_as_saved(config: RunConfig) -> Planned:
    """As :func:`plan`, of a run that is resumed; errors as of :func:`_naming_what_is_gone`, too."""
    with _naming_what_is_gone(config):
        return plan(config)


@contextmanager
def _naming_what_is_gone(config: RunConfig) -> Iterator[None]:
    """Around the planning of a run that is resumed.

    Raises:
        ConfigError: A stage that the run reads is gone.
    """
    try:
        yield
    except StageNotFoundError as error:
        gone = [stage for stage in (config.stage, config.truth) if stage and not os.path.lexists(stage)]
        if not gone:
            raise
        raise ConfigError(
            f"{shown(gone[0])}, which the run reads, is not there; put it there and resume the run."
        ) from error


def stage_names() -> tuple[str, ...]:
    """All stages that a run may have, in their order."""
    from engine.pipeline import stage_weights

    return tuple(stage_weights(RunConfig(stage="any", engine="video", self_test=True), "video"))


def check_stage(config: RunConfig, stage: str) -> None:
    """Refuse the name of a stage that a run with these settings has not.

    Raises:
        ConfigError: It has no such stage; says which it has.
    """
    from engine.pipeline import resolve_engine, stage_weights

    stages = stage_weights(config, resolve_engine(config))
    if stage not in stages:
        raise ConfigError(
            f"a run with these settings has no stage {shown(stage)}; it has {', '.join(stages)}."
        )


def advance(folder: Path, stage: str, on_event: OnEvent = ignore, cancel: Callable[[], bool] = never) -> None:
    """Do the run of a folder up to the end of a stage; what it made lies in ``artefacts``, and resuming goes on.

    Raises:
        ConfigError: The run has no such stage, or the folder no settings.
        EngineError, UsdIoError: As for :func:`run`.
    """
    if not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    check_stage(read_settings(folder), stage)
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
) -> "RunResult":
    """Do a run in a folder that is ours; however it ends, the folder says how."""
    from engine.pipeline import resolve_engine, run_stages, stage_weights

    overall, earlier = Overall(), _result_of(workspace.folder)

    def tell(event: Event) -> None:
        overall.take(event, time.time())
        workspace.event(event)
        on_event(event)

    try:
        if read_state(workspace.folder).get("state") != "waiting":
            workspace.forget_cancel()  # it was meant for an earlier process
        begun = {"stage": "plan", "percent": 0.0, "remaining_s": None, "exit_code": None, "message": ""}
        workspace.state("running", **begun, **({"result": earlier} if earlier else {}))
        config = settings()
        if save:
            workspace.settings(config)
        started = time.monotonic()
        engine = resolve_engine(config)
        tell(RunStarted(str(workspace.folder), config.to_dict(), stage_weights(config, engine), workspace.id))
        asks = (cancel.ask,) if isinstance(cancel, StopSignals) else ()
        with Heartbeat(workspace, tell, overall, *asks) as heartbeat:
            progress = Progress(tell, lambda: _asked_to_stop(heartbeat, cancel), until)
            progress.check()
            result = run_stages(config, engine, planned or _plan_as_saved(config), workspace, progress)
        workspace.write_json(REPORT, to_plain(result.in_folder(".")))
        write_sidecar(config, to_plain(result), workspace)
        # only now: whoever had read the earlier root stage has had the time to read the rest
        kept = [Path(result.result), Path(result.layer)]
        gone = workspace.drop_other_results(result_stem(config), kept, report=bool(result.report))
        if gone:
            tell(Note("info", f"{' and '.join(map(shown, gone))} of an earlier result {_are(gone)} removed."))
        seconds = round(time.monotonic() - started, 3)
        tell(RunFinished(result.result, result.layer, result.scores, seconds))
        workspace.state("done", **where(overall), exit_code=0, result=Path(result.result).name)
        return result
    except StageReached:
        workspace.state("waiting", **where(overall), message=f"stopped after {until}, as requested")
        raise
    except BaseException as error:
        _tell_failure(error, workspace, tell, earlier)
        raise
    finally:
        workspace.close()


def _are(names: Sequence[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _asked_to_stop(heartbeat: Heartbeat, cancel: Callable[[], bool]) -> bool:
    heartbeat.check()
    if heartbeat.cancelled:
        raise RunCancelled(STOPPED)
    return cancel()


def _result_of(folder: Path) -> str:
    """Name of the result of an earlier run of a folder, as that left it; empty where there is none."""
    name = Path(str(read_state(folder).get("result") or "")).name
    return name if name and is_intact_with(folder, name) else ""


def _tell_failure(error: BaseException, workspace: Workspace, tell: OnEvent, earlier: str) -> None:
    message = message_of(error)
    code = int(exit_code(error))
    kept = earlier if earlier and is_intact_with(workspace.folder, earlier) else ""
    # what cannot be written any more (a full disk, a run that is another's now) must not hide why the run failed
    with suppress(*SHOWN_ERRORS):
        if kept:
            tell(Note("warning", f"the earlier result {shown(kept)} stays as it was."))
        tell(RunFailed(message, code))
    with suppress(*SHOWN_ERRORS):
        stopped = isinstance(error, (RunCancelled, KeyboardInterrupt))
        state: State = "cancelled" if stopped else "failed"
        workspace.state(state, exit_code=code, message=message, result=kept)
