"""``runs``, ``attach``, ``logs``, ``cancel``, ``resume`` and ``clean``: runs that live by themselves."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.commands.run import check_place, in_own_process
from anymole_tui.cli.options import (
    AsJson,
    Debug,
    Detach,
    GroupedCommand,
    Here,
    Metrics,
    ProgressOption,
    takes_settings,
)
from anymole_tui.wording import day_and_time, one_line, table
from engine import ConfigError
from engine.runs import resume_fields
from usd_io import counted, shown

if TYPE_CHECKING:
    from engine import Event
    from engine.runs import RunRecord

RunName = Annotated[
    str,
    typer.Argument(metavar="ID", help="Id of a run, the beginning of it, or its folder.", show_default=False),
]
CANCEL_WAIT_S = 15.0
"""So long ``cancel`` waits for the run to save and stop."""
SILENT_WAIT_S = 3.0
"""And so long for one whose host gives no sign: a run looks once a second whether it is to stop."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (runs, attach, logs, cancel, resume, clean):
        app.command(cls=GroupedCommand)(command)


def runs(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Where to look.", show_default="known runs and the current folder"
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List runs with their state, stage, progress and age, the latest first."""
    from engine.runs import list_runs

    for folder in folders or []:
        if not os.path.isdir(folder):  # noqa: PTH112  # never raises, whatever the name
            what = "is no folder" if os.path.lexists(folder) else "does not exist"
            raise ConfigError(f"{shown(folder)} {what}; name a folder to look in.")
        if not os.access(folder, os.R_OK | os.X_OK):
            raise ConfigError(f"{shown(folder)} may not be read; allow it, or name another folder.")
    found = list_runs([Path(folder) for folder in folders or []])
    if as_json:
        out.print_json({"runs": found})
    elif not found:
        out.say("no runs are known here; name a folder to look in.")
    else:
        out.answer(
            table(
                ["run", "state", "stage", "done", "left", "age", "folder"],
                [_row(r) for r in found],
                (0, 1, 2, 6),
            )
        )


def _row(record: "RunRecord") -> list[str]:
    from anymole_tui.wording import duration

    percent = "-" if record.percent is None else f"{record.percent:.0f} %"
    left = duration(record.remaining_s) if record.live and record.remaining_s is not None else "-"
    age = "-" if record.started is None else duration(time.time() - record.started)
    return [record.id, record.state, record.stage or "-", percent, left, age, _short(Path(record.folder))]


def _short(folder: Path) -> str:
    """The folder as it is shortest named from here."""
    with suppress(OSError):
        if folder.is_relative_to(Path.cwd()):
            return str(folder.relative_to(Path.cwd()))
    with suppress(RuntimeError):
        if folder.is_relative_to(Path.home()):
            return str("~" / folder.relative_to(Path.home()))
    return str(folder)


def attach(
    run: RunName,
    progress: ProgressOption = "auto",
    metrics: Metrics = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Watch a run, from any shell or host that sees its folder; ends as the run does. Ctrl-C ends the watching."""
    from anymole_tui.cli.attach import watch
    from anymole_tui.cli.progress_view import progress_kind
    from engine.runs import find_run

    watch(find_run(run), progress_kind(progress), as_json=as_json, metrics=metrics)


def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Events as they are written, one JSON object a line.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Print what a run has reported: its events with their times, then what its process wrote to log.txt."""
    from anymole_tui.cli.progress_view import NONSENSE
    from engine import runs as engine_runs
    from engine import to_json_line
    from engine.runs import LOG

    folder = engine_runs.find_run(run)
    events = engine_runs.follow(folder) if follow else iter(engine_runs.read_events(folder))
    for event, at in events:
        with suppress(*NONSENSE):  # values of other kinds than ours, in a damaged log
            line = to_json_line(event, at) if raw else _event_line(event, at)
            if line:
                out.answer(one_line(line))
    text = "" if raw else engine_runs.log_text(folder, LOG).strip()
    if text:
        out.answer(f"-- {LOG} --\n{text}")


def _event_line(event: "Event", at: float) -> str:
    """An event as a line of a log; empty for telemetry and steps, which come many times a minute."""
    from dataclasses import asdict

    name = type(event).__name__
    if name in ("Telemetry", "StageProgress", "PlanReady"):
        return ""
    left_out = ("settings", "weights", "scores")
    facts = " ".join(f"{k}={v}" for k, v in asdict(event).items() if k not in left_out and v != "")
    return f"{day_and_time(at)} {name} {facts}"


def cancel(run: RunName, as_json: AsJson = False, debug: Debug = False) -> None:
    """Ask a run to save and stop, on whatever host it is; 'resume' goes on from there."""
    from engine.runs import end_silent, find_run, read_run, request_cancel

    folder = find_run(run)
    before = read_run(folder)
    if not before.live:
        raise ConfigError(f"run {run} is {before.state}, not at work.")
    request_cancel(folder)
    end = time.monotonic() + (SILENT_WAIT_S if before.state == "silent" else CANCEL_WAIT_S)
    while (record := read_run(folder)).live and time.monotonic() < end:
        time.sleep(0.05)
    if record.state == "silent":
        end_silent(folder)
        record = read_run(folder)
    if as_json:
        out.print_json(record)
    else:
        out.answer(f"run {record.id}: {record.state}{' (stop requested)' if record.live else ''}")


@takes_settings(resume_fields(), dict, only_given=True)
def resume(
    changes: dict[str, Any],
    run: RunName,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    metrics: Metrics = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Go on with a run that was stopped, killed or cut off, or change how its result is authored; stages that are done
    are not done again."""
    from anymole_tui.cli import attach as attaching
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine import run as engine_run
    from engine.runs import stop_signals

    check_place(detach=detach, here=here)
    folder, kind = _resumable(run), progress_kind(progress)

    def prepare() -> Path:
        engine_run.prepare_resume(folder, changes)
        return folder

    if detach:
        return attaching.start_detached_run(prepare, as_json=as_json)
    if in_own_process(kind, here=here):
        return attaching.start_watched_run(prepare, kind, as_json=as_json, metrics=metrics)
    with progress_view(kind, as_json=as_json) as view, stop_signals() as stop:
        result = engine_run.resume(folder, listener(view), stop, changes=changes)
    attaching.answer_run(result, kind, as_json=as_json, metrics=metrics)


def _resumable(name: str) -> Path:
    from engine.runs import SETTINGS, find_run

    folder = Path(name)
    return folder if (folder / SETTINGS).is_file() else find_run(name)


def clean(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Runs to clean.", show_default="all that are done"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be freed and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also runs whose host gives no sign.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Remove what only a resumed run needs (artefacts, checkpoints); results, settings and events stay."""
    from engine import runs as engine_runs

    folders = [engine_runs.find_run(name) for name in names or []]
    if not names:
        # shots of farms that were submitted elsewhere stay, as they would not be skipped any more
        found = engine_runs.list_runs(farms=False)
        folders = [Path(record.folder) for record in found if record.state == "done"]
    freed = {str(folder): engine_runs.clean(folder, dry_run=dry_run, force=force) for folder in folders}
    forgotten = 0 if dry_run else engine_runs.forget_gone()
    if as_json:
        out.print_json({"freed": freed, "forgotten": forgotten, "dry_run": dry_run})
        return
    for folder, size in freed.items():
        out.answer(f"{size / 1e6:8.1f} MB  {folder}")
    out.say(
        f"{counted(len(freed), 'run')} {'would be ' if dry_run else ''}cleaned, {forgotten} gone ones forgotten"
    )
