"""Runs seen from outside: damaged, older and hostile folders, and hosts that give no sign."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anymole_tui.cli.commands import manage
from engine.config import RunConfig
from engine.errors import EngineError, RunBusy
from engine.run import resume, run
from engine.runs import process
from engine.runs.lock import LOCK
from engine.runs.process import request_cancel
from engine.runs.registry import (
    SILENT_S,
    clean,
    end_silent,
    find_run,
    follow,
    last_sign,
    list_runs,
    log_text,
    read_events,
    read_run,
)
from engine.runs.workspace import CANCEL, EVENTS, LOG, STATE
from tests.command_line import Said, said

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    stage = str(DATA / "edge" / "fox_survey_keys.usda")
    run(RunConfig(stage=stage, prior="slerp", out=str(folder), preview=False, report=False))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A finished run of its own."""
    shutil.copytree(made, tmp_path / "case")
    return tmp_path / "case"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


STATES: dict[str, Callable[[Path], object]] = {
    "a pid that is no number": lambda f: edit(f / STATE, lambda v: v.update(pid=float("nan"))),
    "a huge pid": lambda f: edit(f / STATE, lambda v: v.update(pid=10**400)),
    "a huge time": lambda f: edit(f / STATE, lambda v: v.update(started=1e300, updated=-1e300)),
    "texts for numbers": lambda f: edit(
        f / STATE, lambda v: v.update(percent="x", remaining_s=[], started={})
    ),
    "numbers for texts": lambda f: edit(
        f / STATE, lambda v: v.update(stage=3, host=4, message=[1], result=5)
    ),
    "a list": lambda f: (f / STATE).write_text("[]"),
    "brackets without end": lambda f: (f / STATE).write_text("[" * 200_000),
    "no text": lambda f: (f / STATE).write_bytes(b"\xff\xfe\x00"),
    "nothing": lambda f: (f / STATE).write_bytes(b""),
}


@pytest.mark.parametrize("free", [40_960, 10**9])
def test_a_full_disk_is_named_where_it_ended_a_run(
    folder: Path, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its end nor its reason can be written there."""
    edit(folder / STATE, lambda v: v.update(state="running", pid=2**22 + 1, message=""))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    told = said("attach", str(folder), "--progress", "none")
    assert told.code == 1
    assert ("its disk is full; make room, then 'anymole resume" in told.err) == (free < 10**6)


def test_a_run_whose_process_died_before_it_began_is_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(1e6)"]
    monkeypatch.setattr(process, "python_command", lambda *_: sleeping)
    edit(folder / STATE, lambda v: v.update(state="waiting", message="", stage="", updated=time.time()))
    child = process.start_detached(folder)
    try:
        assert read_run(folder).state == "waiting"
        edit(folder / STATE, lambda v: v.update(updated=0))
        assert read_run(folder).state == "waiting"  # it may be slow to begin
    finally:
        child.kill()
        child.wait()
    assert read_run(folder).state == "stopped"
    edit(folder / STATE, lambda v: v.update(updated=time.time()))
    assert read_run(folder).state == "stopped"
    assert "stopped" in said("runs", folder.parent).out
    told = said("attach", folder, "--progress", "none")
    assert told.code == 1
    assert "did not begin" in told.err


@pytest.mark.parametrize("what", STATES)
def test_a_damaged_state_hides_no_other_run(folder: Path, what: str) -> None:
    shutil.copytree(folder, folder.with_name("good"))
    STATES[what](folder)
    assert [r.state for r in list_runs([folder.parent]) if r.folder.endswith("good")] == ["done"]
    answer = said("runs", folder.parent)
    assert answer.code == 0
    assert "good" in answer.out
    for command in ("attach", "logs", "cancel", "clean"):
        said(command, folder, "--progress", "none") if command == "attach" else said(command, folder)


LOGS = {
    "brackets": "[" * 200_000,
    "late": '{"event":"Note","time":1e18,"level":"warning","text":"x"}',
    "endless": '{"event":"Note","time":1e999,"level":"warning","text":"x"}',
    "wrong kinds": '{"event":"StageProgress","time":1,"stage":[],"done":"x","total":null,"values":3}\n'
    '{"event":"PlanReady","time":1,"plans":[1,{"gaps":3}]}\n{"event":"RunStarted","time":2,"run":1,"settings":4,"weights":5}',
    "digits": '{"event":"Note","time":' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("what", LOGS)
def test_a_damaged_log_is_read_past(folder: Path, what: str) -> None:
    with (folder / EVENTS).open("a") as log:
        log.write(f"{LOGS[what]}\n")
    assert len(read_events(folder)) > 5
    for command in (("logs", folder), ("logs", folder, "--raw"), ("attach", folder, "--progress", "plain")):
        assert said(*command).code == 0


NAMES = (
    STATE,
    EVENTS,
    LOG,
    "report.json",
    "run.toml",
    "inputs.json",
    "artefacts.json",
    CANCEL,
    ".anymole",
    LOCK,
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_pipes_and_folders_in_place_of_files_hold_up_nobody(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name) if kind == "pipe" else (folder / name).mkdir()
    for command in ("runs", "attach", "logs", "clean", "take"):
        progress = ("--progress", "none") if command == "attach" else ()
        said(command, folder, *progress)
    assert (folder / name).exists()
    with pytest.raises(EngineError):
        resume(folder)


REPORTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "without the video's self-test": lambda v: [s.pop("video_test", 0) for s in v["scores"].values()],
    "without takes": lambda v: [s.pop("takes") for s in v["scores"].values()],
    "without frames": lambda v: [s.pop("frames") for s in v["scores"].values()],
    "with texts for numbers": lambda v: [s.update(frames="x", key_error={}) for s in v["scores"].values()],
    "with a list of scores": lambda v: v.update(scores=[]),
    "without a plan": lambda v: v.pop("plan"),
    "with another result": lambda v: v.update(result=7),
}


@pytest.mark.parametrize("what", REPORTS)
def test_a_report_of_another_version_is_one_sentence(folder: Path, what: str) -> None:
    edit(folder / "report.json", REPORTS[what])
    for command in (("attach", folder, "--progress", "none"), ("take", folder), ("report", folder.parent)):
        said(*command)


def lose_host(folder: Path, seconds: float = 86400.0) -> None:
    facts = {"state": "running", "host": "container-4711", "pid": 7, "process_start": "1", "stage": "fill"}
    edit(folder / STATE, lambda v: v.update(facts))
    (folder / LOCK).write_text("x")
    os.utime(folder / LOCK, (time.time() - seconds,) * 2)


def test_of_a_host_that_is_gone_it_is_said_since_when(folder: Path) -> None:
    lose_host(folder)
    assert read_run(folder).state == "silent"
    assert abs(time.time() - 86400 - (last_sign(folder) or 0)) < 600
    assert list(follow(folder, patient=False)) == read_events(folder)
    answer = said("attach", folder, "--progress", "none")
    assert answer.code == 3
    assert "has given no sign since" in answer.err
    assert "1.0 d" in answer.err or "24 h" in answer.err


def test_a_run_on_a_host_that_is_gone_can_be_ended_and_cleaned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manage, "SILENT_WAIT_S", 0.05)  # nobody is there who could answer
    lose_host(folder)
    with pytest.raises(RunBusy, match="gives no sign"):
        clean(folder)
    assert clean(folder, dry_run=True, force=True) > 0
    assert said("cancel", folder).code == 0
    assert read_run(folder).state == "cancelled"
    assert (folder / CANCEL).exists()  # that host hears of it where it is there after all
    assert clean(folder) > 0


def test_a_host_that_answers_is_not_given_up(folder: Path) -> None:
    lose_host(folder, SILENT_S / 10)
    with pytest.raises(RunBusy):
        clean(folder, force=True)


def test_the_end_of_a_silent_run_keeps_what_is_known_of_it(folder: Path) -> None:
    lose_host(folder)
    before = read_run(folder)
    end_silent(folder)
    after = read_run(folder)
    assert (after.id, after.stage, after.exit_code) == (before.id, "fill", 130)
    assert "container-4711" in after.message


def test_a_wish_to_stop_is_never_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / CANCEL).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineError, match="not stopped"):
        request_cancel(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_names_that_no_folder_can_have_are_unknown_runs() -> None:
    for name in ("x" * 5000, "\udcff"):
        with pytest.raises(EngineError, match="no run"):
            find_run(name)


def test_what_is_no_text_is_no_log(folder: Path) -> None:
    (folder / LOG).write_bytes(b"\xff\x00a")
    assert log_text(folder, LOG).endswith("a")
    assert isinstance(said("logs", folder), Said)
