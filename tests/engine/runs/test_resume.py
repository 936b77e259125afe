"""Runs that are stopped in every way and go on; seen from outside as they work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, RunBusy, RunCancelled, SourceChanged
from engine.events import Event, Note, RunFailed, StageReused, StageStarted, Telemetry
from engine.priors.learned import prior as learned
from engine.progress import StageReached
from engine.runs import registry
from engine.runs.process import request_cancel
from engine.runs.registry import clean, find_run, follow, list_runs, read_events, read_run, remember
from engine.runs.takes import choose_gap
from engine.runs.workspace import Workspace, read_settings
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data"
STAGES = ["fill", "score", "author", "check"]

SLOW = """
import sys, time
from pathlib import Path
from engine.config import RunConfig
from engine.events import StageStarted
from engine.runs import process
from engine.runs.process import stop_signals
from engine import run
from engine.errors import exit_code
process.GRACE_S = 0.5
config = RunConfig(stage=sys.argv[1], out=sys.argv[2], prior="spline", preview=False, report=False)
def slow(event):
    if isinstance(event, StageStarted) and event.stage == sys.argv[3]:
        while True:
            if "deaf" not in sys.argv[4:]:
                stop()
            time.sleep(0.01)
with stop_signals() as stop:
    try:
        run.run(config, slow, stop)
    except Exception as error:
        sys.exit(int(exit_code(error)))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keyed fox and a finished run of it."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(DATA / "fox", folder / "fox")
    (folder / "edge").mkdir()
    shutil.copy(DATA / "edge" / "fox_survey_keys.usda", folder / "edge")
    engine_run.run(settings(folder))
    return folder


def settings(folder: Path) -> RunConfig:
    stage = str(folder / "edge" / "fox_survey_keys.usda")
    return RunConfig(stage=stage, out=str(folder / "run"), prior="spline", preview=False, report=False)


@pytest.fixture
def shot(made: Path, tmp_path: Path) -> Path:
    """The keyed fox in a folder of its own."""
    for name in ("fox", "edge"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path / "edge" / "fox_survey_keys.usda"


@pytest.fixture
def config(shot: Path, tmp_path: Path) -> RunConfig:
    return settings(tmp_path)


@pytest.fixture
def finished(config: RunConfig, made: Path) -> RunConfig:
    """Of a run that is done, in its own folder."""
    shutil.copytree(made / "run", config.out)
    return config


def start_slow(
    config: RunConfig, stage: str, *how: str, ignoring: Sequence[signal.Signals] = ()
) -> "subprocess.Popen[bytes]":
    """A run in another process that rests when it comes to a stage; returns when it is there. ``deaf``: a rest in
    which it never asks whether to stop."""

    def ignore() -> None:
        for number in ignoring:
            signal.signal(number, signal.SIG_IGN)

    command = [sys.executable, "-c", SLOW, config.stage, config.out, stage, *how]
    process = subprocess.Popen(command, cwd=ROOT, preexec_fn=ignore)
    wait_for(lambda: any(e == StageStarted(stage) for e, _ in read_events(Path(config.out))))
    return process


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def resumed(config: RunConfig) -> list[Event]:
    events: list[Event] = []
    engine_run.resume(Path(config.out), events.append)
    return events


def reused(events: list[Event]) -> list[str]:
    return [event.stage for event in events if isinstance(event, StageReused)]


def layer_bytes(folder: str) -> bytes:
    return next(Path(folder).glob("*_anim*.usdc")).read_bytes()


def test_killed_run_is_seen_as_stopped_and_goes_on_to_the_same_layer(
    config: RunConfig, tmp_path: Path
) -> None:
    process = start_slow(config, "author")
    assert read_run(Path(config.out)).state == "running"
    with pytest.raises(RunBusy):
        engine_run.resume(Path(config.out))
    process.kill()
    process.wait()
    assert read_run(Path(config.out)).state == "stopped"
    assert reused(resumed(config)) == ["fill", "score"]
    other = replace(config, out=str(tmp_path / "other"))
    engine_run.run(other)
    assert layer_bytes(config.out) == layer_bytes(other.out)


def test_finished_run_is_confirmed_without_doing_anything_again(config: RunConfig) -> None:
    first = engine_run.run(config)
    stamp = Path(first.layer).stat().st_mtime_ns
    events: list[Event] = []
    again = engine_run.resume(Path(config.out), events.append)
    assert json.dumps(asdict(again)) == json.dumps(asdict(first))
    assert reused(events) == STAGES
    assert Path(first.layer).stat().st_mtime_ns == stamp


def test_a_report_is_not_written_again_before_what_it_tells_has_changed(config: RunConfig) -> None:
    config = replace(config, report=True)
    first = engine_run.run(config)
    page = Path(first.report).read_bytes()
    assert reused(resumed(config)) == [*STAGES, "report"]
    assert Path(first.report).read_bytes() == page  # the minute of its making stands in it
    choose_gap(first.result, 1, accepted=True)  # which is a line in the root stage
    assert reused(resumed(config)) == ["fill", "score", "author"]
    Path(first.report).write_text("something else")
    assert reused(resumed(config)) == STAGES
    assert "exact" in Path(first.report).read_text(encoding="utf-8")


def test_a_source_that_is_saved_while_the_report_is_made_leaves_none(config: RunConfig, shot: Path) -> None:
    events: list[Event] = []

    def save(event: Event) -> None:
        events.append(event)
        if event == StageStarted("report"):
            shot.write_text(shot.read_text() + "\n# saved again\n")

    assert engine_run.run(replace(config, report=True), save).report == ""
    assert not (Path(config.out) / "report.html").exists()
    said = [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert any(text.startswith("no report was written") and shot.name in text for text in said)


def test_a_run_is_confirmed_however_its_paths_are_spelt(
    config: RunConfig, shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shot.parent)
    spelt = replace(config, stage=f"../edge/{shot.name}", out="../run", report=True)
    engine_run.run(spelt)
    for name in ("../run", "../edge/../run", config.out):
        assert reused(resumed(replace(config, out=name))) == [*STAGES, "report"]


def test_other_settings_make_all_stages_anew(finished: RunConfig) -> None:
    events: list[Event] = []
    other = RunConfig(stage=finished.stage, prior="hold", preview=False, report=False)
    engine_run.resume(Path(finished.out), events.append, config=other)
    assert reused(events) == []


def test_how_a_result_is_authored_is_changed_without_filling_again(config: RunConfig) -> None:
    first = engine_run.run(config)
    events: list[Event] = []
    again = engine_run.resume(Path(config.out), events.append, changes={"author": "flat"})
    assert reused(events) == ["fill", "score"]
    assert again.scores == first.scores
    assert Path(again.result).suffix == ".usdc"
    assert not Path(first.layer).exists()
    said = [event.text for event in events if isinstance(event, Note)]
    assert f"{Path(first.result).name} of an earlier result is removed." in said
    assert read_settings(Path(config.out)).author == "flat"
    assert reused(resumed(config)) == STAGES  # it stays so


def test_a_report_of_an_earlier_result_does_not_stay_beside_a_new_one(config: RunConfig) -> None:
    first = engine_run.run(replace(config, report=True))
    page = Path(config.out) / "report.html"
    page.write_text("of the first result")
    engine_run.resume(Path(config.out), changes={"report": False})
    assert page.exists()  # the result is as it was, and so is what is said of it
    os.utime(page, ns=(0, Path(first.layer).stat().st_mtime_ns - 1))
    events: list[Event] = []
    engine_run.resume(Path(config.out), events.append, changes={"samples": "sparse", "report": False})
    assert not page.exists()
    said = [event.text for event in events if isinstance(event, Note)]
    assert "report.html of an earlier result is removed." in said


def test_a_change_that_cannot_be_done_leaves_the_run_as_it_was(data: Path, tmp_path: Path) -> None:
    config = RunConfig(
        stage=str(shutil.copy(data / "cases" / "usd" / "late_refusal_of_variant.usda", tmp_path)),
        out=str(tmp_path / "run"),
        prior="slerp",
        preview=False,
        report=False,
    )
    engine_run.run(config)
    (tmp_path / "run" / "late_refusal_of_variant_inbetween.usdc").write_text("mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    for changes, why in (
        ({"author": "variant"}, "stronger than any variant"),
        ({"samples": "few"}, "samples"),
        ({"author": "flat"}, "was not written by this run, and the result gets that name"),
    ):
        for call in (engine_run.resume, engine_run.prepare_resume):
            with pytest.raises(ConfigError, match=why):
                call(tmp_path / "run", changes=changes)
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert after == before


def test_a_finished_run_whose_source_is_gone_stays_finished(config: RunConfig, shot: Path) -> None:
    engine_run.run(config)
    folder = Path(config.out)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    shot.rename(shot.with_name("away.usda"))
    for call in (engine_run.resume, engine_run.prepare_resume):
        for changes in ({}, {"samples": "sparse"}):
            # which of the two, a layer that is still open in this process decides
            with pytest.raises(
                (ConfigError, SourceChanged), match=rf"{shot.name}.* is (gone|not there).*; put it"
            ):
                call(folder, changes=changes)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert read_run(folder).state == "done"
    shot.with_name("away.usda").rename(shot)
    assert reused(resumed(config)) == STAGES


def test_a_source_that_is_gone_is_to_be_put_back(tmp_path: Path) -> None:
    folder = engine_run.prepare(RunConfig(stage=str(tmp_path / "shot.usda"), out=str(tmp_path / "run")))
    with pytest.raises(
        ConfigError, match=r"shot\.usda, which the run reads, is not there; put it there and resume"
    ):
        engine_run.resume(folder)


def test_a_prepared_change_is_saved_for_the_process_to_come(finished: RunConfig) -> None:
    engine_run.prepare_resume(Path(finished.out), {"samples": "sparse:0.5"})
    assert read_run(Path(finished.out)).state == "waiting"
    assert reused(resumed(finished)) == ["fill", "score"]
    assert read_settings(Path(finished.out)).samples == "sparse:0.5"


def test_damaged_result_is_authored_anew_from_what_is_kept(finished: RunConfig) -> None:
    layer = next(Path(finished.out).glob("*_anim.usdc"))
    whole = layer.read_bytes()
    layer.write_bytes(whole[:1000])
    assert reused(resumed(finished))[:2] == ["fill", "score"]
    assert layer_bytes(finished.out) == whole
    assert len(list(Path(finished.out).glob("*_anim*"))) == 1


def test_files_of_an_earlier_result_go_and_those_of_others_stay(finished: RunConfig) -> None:
    folder = Path(finished.out)
    mine = folder / "fox_survey_keys_inbetween_anim_9.usdc"
    mine.write_text("mine")
    results = lambda: sorted(path.name for path in folder.glob("*.usd*") if path != mine)  # noqa: E731
    for author, prior, names in (
        ("rebind", "hold", ["fox_survey_keys_inbetween.usda", "fox_survey_keys_inbetween_anim_2.usdc"]),
        ("rebind", "slerp", ["fox_survey_keys_inbetween.usda", "fox_survey_keys_inbetween_anim.usdc"]),
        ("flat", "slerp", ["fox_survey_keys_inbetween.usdc"]),
        ("rebind", "hold", ["fox_survey_keys_inbetween.usda", "fox_survey_keys_inbetween_anim.usdc"]),
    ):
        made = engine_run.resume(folder, config=replace(finished, author=author, prior=prior))
        assert results() == names
        assert {Path(made.result).name, Path(made.layer).name} == set(names)
    assert mine.read_text() == "mine"


def test_source_that_changes_under_a_run_is_named(config: RunConfig, shot: Path) -> None:
    def change(event: Event) -> None:
        if event == StageStarted("author"):
            shot.write_text(shot.read_text() + "\n")

    with pytest.raises(SourceChanged, match=shot.name):
        engine_run.run(config, change)
    assert not list(Path(config.out).glob("*.usd*"))
    events = resumed(config)
    # what these were given is the same: a blank line more decides nothing
    assert reused(events) == ["fill", "score"]
    assert any(isinstance(e, Note) and shot.name in e.text and "changed since" in e.text for e in events)


def test_a_source_with_other_motion_is_filled_again(finished: RunConfig, shot: Path) -> None:
    head, mark, rest = shot.read_text().partition("float3[] translations.timeSamples = {")
    samples, brace, tail = rest.partition("}")
    moved = samples.replace("(12.850601, ", "(12.75, ")
    assert moved != samples
    shot.write_text(head + mark + moved + brace + tail)
    assert reused(resumed(finished)) == []


@pytest.mark.parametrize("stage", ["fill", "author"])
def test_a_resume_that_fails_keeps_the_earlier_result(
    config: RunConfig, shot: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """The source is another one that can be planned and not be filled, or not be authored."""
    config = replace(config, prior="learned")
    engine_run.run(config)
    folder = Path(config.out)
    before = {path.name: path.read_bytes() for path in folder.glob("*.usd*")}
    shot.write_text(shot.read_text().replace("(12.850601, ", "(12.75, "))
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if event == StageStarted("author"):
            shot.write_text(shot.read_text() + "\n")

    if stage == "fill":
        monkeypatch.setattr(learned, "MOST_JOINTS", 1)
    with pytest.raises(ConfigError if stage == "fill" else SourceChanged):
        engine_run.resume(folder, told)
    assert {path.name: path.read_bytes() for path in folder.glob("*.usd*")} == before
    record = read_run(folder)
    assert (record.state, Path(record.result).is_file()) == ("failed", True)
    assert sum("stays as it was" in event.text for event in events if isinstance(event, Note)) == 1
    assert isinstance(events[-1], RunFailed)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [("SIGINT", 130, "user"), ("SIGTERM", 143, "SIGTERM"), ("SIGUSR1", 143, "SIGUSR1")],
)
def test_signals_save_say_so_and_end_with_their_code(
    config: RunConfig, number: str, code: int, word: str
) -> None:
    process = start_slow(config, "score")
    process.send_signal(getattr(signal, number))
    assert process.wait(PATIENCE_S) == code
    record = read_run(Path(config.out))
    assert (record.state, record.exit_code) == ("cancelled", code)
    assert word in record.message
    last = read_events(Path(config.out))[-1][0]
    assert isinstance(last, RunFailed)
    assert last.exit_code == code
    assert reused(resumed(config)) == ["fill"]


def test_cancel_from_outside_stops_a_run(config: RunConfig) -> None:
    process = start_slow(config, "fill")
    request_cancel(Path(config.out))
    assert process.wait(PATIENCE_S) == 130
    assert read_run(Path(config.out)).state == "cancelled"


@pytest.mark.parametrize("how", [(), ("deaf",)], ids=["asking", "deaf"])
def test_cancel_stops_a_run_that_ignores_the_signals_of_its_terminal(
    config: RunConfig, how: tuple[str, ...]
) -> None:
    process = start_slow(config, "fill", *how, ignoring=(signal.SIGINT, signal.SIGHUP))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    request_cancel(Path(config.out))
    assert process.wait(PATIENCE_S) == 130
    record = read_run(Path(config.out))
    assert (record.state, record.exit_code) == ("cancelled", 130)
    assert "user" in record.message


def test_cancel_file_alone_stops_a_run_on_another_host(config: RunConfig) -> None:
    folder = Path(config.out)

    def beats() -> int:
        return sum(isinstance(event, Telemetry) for event, _ in read_events(folder))

    def wait(event: Event) -> None:
        if event == StageStarted("score"):
            (folder / "cancel").touch()
            now = beats()
            wait_for(lambda: beats() >= now + 2)  # the first may have looked before the file was there

    with pytest.raises(RunCancelled):
        engine_run.run(config, wait)
    assert not list(folder.glob("*.usd*"))
    assert resumed(config)  # the wish is forgotten


def test_a_hostile_state_kills_nobody(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    state = {
        "format": 1,
        "id": "00000000",
        "state": "running",
        "pid": child.pid,
        "process_start": "1",
        "host": os.uname().nodename,
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    request_cancel(tmp_path)
    assert child.poll() is None
    child.kill()
    child.wait()


def test_followed_events_arrive_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that stands still but while the follower sleeps: how busy the machine is decides nothing."""
    workspace = Workspace(tmp_path)
    workspace.state("running")
    now, written = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now, written
        if written < 5:
            workspace.event(Note("info", str(now)))  # just after it has looked
            written += 1
        else:
            workspace.state("done")
        now += seconds

    monkeypatch.setattr(registry, "time", SimpleNamespace(sleep=sleep, time=time.time))
    late = [now - float(event.text) for event, _ in follow(tmp_path) if isinstance(event, Note)]
    workspace.close()
    assert len(late) == 5
    assert max(late) < 1.0


def test_runs_are_found_by_id_prefix_and_folder(
    finished: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_STATE_DIR", str(tmp_path / "known"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    remember(Path(finished.out))
    (record,) = list_runs()
    assert (record.state, record.percent) == ("done", 100)
    assert find_run(record.id[:3]) == find_run(record.id) == Path(finished.out)
    assert find_run(finished.out) == Path(finished.out)
    assert [r.id for r in list_runs([tmp_path])] == [record.id]
    with pytest.raises(ConfigError, match="no run"):
        find_run("zzz")


def test_cleaning_keeps_the_result(finished: RunConfig) -> None:
    layer = next(Path(finished.out).glob("*_anim.usdc"))
    freed = clean(Path(finished.out), dry_run=True)
    assert freed == clean(Path(finished.out)) > 1000
    assert layer.exists()
    assert not (Path(finished.out) / "artefacts").exists()
    assert clean(Path(finished.out)) == 0


def test_a_folder_without_settings_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run folder"):
        engine_run.resume(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_prepared_run_that_nobody_began_or_that_was_to_stop_is_stopped(config: RunConfig) -> None:
    folder = engine_run.prepare(config)
    assert read_run(folder).state == "waiting"
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"updated": state["updated"] - 3600}))
    assert read_run(folder).state == "stopped"
    assert list(follow(folder)) == []
    with pytest.raises(StageReached):
        engine_run.resume(folder, until="fill")
    stopped = read_run(folder)
    assert (stopped.state, stopped.message) == ("stopped", "stopped after fill, as requested")
    assert [e.stage for e, _ in follow(folder) if isinstance(e, StageStarted)] == ["fill"]
