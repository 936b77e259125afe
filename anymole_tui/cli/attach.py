"""A run in another process, shown here: the same words and exit codes as a run in this one."""

import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.progress_view import ProgressKind, is_protocol, progress_view
from anymole_tui.launching import launch
from anymole_tui.run_report import run_report
from anymole_tui.wording import day_and_time, duration, one_line, word
from engine import EngineError, ExitCode, ResourceMissing, RunResult
from engine.files import from_plain
from engine.runs import (
    LOG,
    REPORT,
    RunRecord,
    follow,
    interrupts_wait,
    last_sign,
    log_text,
    read_run,
    request_cancel,
    result_of,
)
from usd_io import shown

LOG_LINES = 5
"""So much of the log is shown of a run that could not even begin."""
NO_ROOM = 65_536
"""A disk with less free [bytes] is full: neither a state nor the reason of an end can be written to it."""


def say_detached(folder: Path, *, as_json: bool) -> None:
    """Tell how to find a run that goes on by itself."""
    record = read_run(folder)
    if as_json:
        out.print_json({"id": record.id, "run": str(folder)})
        return
    out.answer(f"run {record.id} works in {shown(folder)}")
    out.say(f"watch it: anymole attach {record.id}   stop it: anymole cancel {record.id}")


def start_detached_run(prepare: Callable[[], Path], *, as_json: bool) -> None:
    """Start a run and tell how to find it; Ctrl-C while it is being started stops it.

    Args:
        prepare: Makes the folder of the run and returns it.
        as_json: Whether the answer is one JSON object.
    """
    with interrupts_wait() as came:  # else a folder would wait for a process that never comes
        folder = prepare()
        launch(folder)
    if came:
        request_cancel(folder)
        raise KeyboardInterrupt
    say_detached(folder, as_json=as_json)


def start_watched_run(
    prepare: Callable[[], Path], kind: ProgressKind, *, as_json: bool, metrics: bool = False
) -> None:
    """Start a run and show it until it ends; Ctrl-C stops the run.

    Args:
        prepare: Makes the folder of the run and returns it.
        kind: How progress is shown.
        as_json: Whether the answer is one JSON object.
        metrics: Whether the answer has the figures by name.
    """
    began = time.time()
    folder: Path | None = None
    child: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_wait() as came:  # as one step, see above
            folder = prepare()
            child = launch(folder)
        if came:
            request_cancel(folder)
        watch(folder, kind, as_json=as_json, metrics=metrics, child=child, asked=bool(came), since=began)
    except KeyboardInterrupt:
        if folder is None or child is None:  # nothing has begun
            raise
        request_cancel(folder)
        watch(folder, kind, as_json=as_json, metrics=metrics, child=child, asked=True, since=began)


def watch(
    folder: Path,
    kind: ProgressKind,
    *,
    as_json: bool,
    metrics: bool = False,
    child: "subprocess.Popen[bytes] | None" = None,
    asked: bool = False,
    since: float = 0.0,
) -> None:
    """Show a run until it ends, then answer as it would have answered itself.

    Args:
        folder: The run folder.
        kind: How progress is shown.
        as_json: Whether the answer is one JSON object.
        metrics: Whether the answer has the figures by name.
        child: The process of the run, where we have started it: then Ctrl-C stops the run, else only the watching.
        asked: Whether it has been asked to stop already.
        since: Events reported before this time are left out.
    """
    while True:
        try:
            with progress_view(kind, as_json=as_json) as view:
                gone = partial(_ended, child)
                for event, at in follow(folder, cancel=gone, patient=False):
                    if at >= since:
                        view(event, at)
                        since = at
            break
        except KeyboardInterrupt:
            if child is None or asked:
                out.say(f"the run goes on; 'anymole attach {read_run(folder).id}' shows it again.")
                raise typer.Exit(ExitCode.OK) from None
            asked = True
            request_cancel(folder)
    if child is not None:
        child.wait()
    conclude(folder, kind, as_json=as_json, metrics=metrics)


def _ended(child: "subprocess.Popen[bytes] | None") -> bool:
    return child is not None and child.poll() is not None


def conclude(folder: Path, kind: ProgressKind, *, as_json: bool, metrics: bool = False) -> None:
    """Answer for a run that has ended; its exit code becomes ours."""
    record = read_run(folder)
    if record.state == "silent":
        raise ResourceMissing(_no_sign(record))
    if record.state != "done":
        message, code = _why(folder, record)
        out.say(one_line(f"anymole: {message}"))
        if as_json:
            out.print_json({"error": message, "exit_code": code})
        raise typer.Exit(code)
    try:
        result = from_plain(RunResult, result_of(folder, REPORT)).in_folder(folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineError(
            f"the report of {shown(folder)} cannot be read; 'anymole resume' writes a new one."
        ) from error
    answer_run(result, kind, as_json=as_json, metrics=metrics)


def _no_sign(record: RunRecord) -> str:
    heard = last_sign(Path(record.folder))
    since = "" if heard is None else f" since {day_and_time(heard)} ({duration(time.time() - heard)})"
    return (
        f"run {record.id} has given no sign{since}: its host {shown(record.host)} may be gone; 'anymole resume "
        f"{record.id}' goes on here, 'anymole cancel {record.id}' ends it."
    )


def answer_run(result: RunResult, kind: ProgressKind, *, as_json: bool, metrics: bool = False) -> None:
    """The answer of ``run`` and all that end like it."""
    try:
        report = "" if as_json else run_report(result, metrics=metrics)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
    ) as error:  # of another version, or damaged
        raise EngineError(
            f"the report of {shown(result.run)} cannot be read; 'anymole resume' writes a new one."
        ) from error
    try:
        if as_json:
            out.print_json(result)
        elif is_protocol(kind):
            out.say(report)
        else:
            out.answer(report)
    except (OSError, out.AnswerLost) as error:  # the work is done, whoever reads of it
        out.say(f"the run is done, though {one_line(str(error))}")


def _why(folder: Path, record: RunRecord) -> tuple[str, int]:
    if record.message:
        return record.message, record.exit_code or int(ExitCode.FAILED)
    if record.state == "waiting" or (record.state == "stopped" and not record.stage):
        tail = " ".join(log_text(folder, LOG).splitlines()[-LOG_LINES:])
        return f"the run in {shown(folder)} did not begin: {tail or 'its process is gone'}", int(
            ExitCode.FAILED
        )
    what = (
        f"the state of the run in {shown(folder)} cannot be read"
        if record.state == "unknown"
        else f"the process of the run in {shown(folder)} is gone"
    )
    full = ", its disk is full; make room, then" if _is_full(folder) else ";"
    return f"{what}{full} 'anymole resume {record.id or word(str(folder))}' goes on.", int(ExitCode.FAILED)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < NO_ROOM
    except OSError:
        return False
