"""The run folder: one writer, whole files, artefacts that count only when they are as they were."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError, EngineError, ExitCode, RunBusy, RunLost, exit_code
from engine.events import Note, RunStarted, StageStarted
from engine.files.atomic import is_inside
from engine.files.hashing import content_hash
from engine.progress import Progress
from engine.runs.artefacts import read_index
from engine.runs.registry import read_events
from engine.runs.stage_cache import Stage, StageCache, StageWork
from engine.runs.workspace import (
    Workspace,
    check_readable,
    own_run_folder,
    read_settings,
    read_state,
    result_stem,
)
from tests.patience import PATIENCE_S
from usd_io.files import replacing, sole_writer


@pytest.fixture
def workspace(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = Workspace(tmp_path / "run")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("stage", "stem"),
    [
        ("shots/fox.usda", "fox"),
        ("b\\c.usda", "b_c"),
        (os.fsdecode(b"f\xffox.usda"), "fox"),
        ("é" * 120, "é" * 112),
    ],
)
def test_results_have_names_that_usd_and_file_systems_take(stage: str, stem: str) -> None:
    assert result_stem(RunConfig(stage=stage)) == f"{stem}_inbetween"


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    first = Workspace(tmp_path)
    with pytest.raises(RunBusy, match="being written by process") as caught:
        Workspace(tmp_path)
    assert exit_code(caught.value) is ExitCode.RETRYABLE
    first.close()
    Workspace(tmp_path).close()


def test_the_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    if not (pid := os.fork()):
        Workspace(tmp_path)
        os._exit(0)  # as SIGKILL does: nothing is given back
    os.waitpid(pid, 0)
    assert (tmp_path / "lock").exists()
    Workspace(tmp_path).close()


def test_a_run_that_was_taken_over_writes_no_more(workspace: Workspace) -> None:
    workspace._lose()
    with pytest.raises(RunLost):
        workspace.write("report.json", "{}")
    with pytest.raises(RunLost):
        workspace.event(Note("info", "late"))


def test_a_folder_that_was_moved_away_is_not_made_again(tmp_path: Path) -> None:
    opened = Workspace(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    for write in (lambda: opened.state("running"), lambda: opened.event(Note("info", "late"))):
        with pytest.raises(RunLost, match="run was moved or removed while its run was at work"):
            write()
    opened.close()
    assert not (tmp_path / "run").exists()


def test_the_id_stays_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        opened = Workspace(tmp_path)
        opened.state("running")
        names.append(opened.id)
        opened.close()
    assert names[0] == names[1] == read_state(tmp_path)["id"]


def test_every_file_that_settings_name_is_found_where_the_run_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = tmp_path / "shot"
    shot.mkdir()
    names = ("a.usda", "front.mp4", "side.mp4", "quick.safetensors")
    for name in names:
        (shot / name).touch()
    monkeypatch.chdir(shot)
    second = {"video": "front.mp4", "second_video": "side.mp4", "second_camera": "left"}
    lora = (f"quick.safetensors@{'0' * 64}", "not_there.safetensors")
    given = RunConfig("a.usda", engine="video", out="run", **second)
    generated = RunConfig("a.usda", model="wan22-vace-fun", few_step_lora=lora, out="run")
    opened = Workspace(shot / "run")
    opened.state("running")
    for config in (given, generated):
        opened.event(RunStarted("run", config.to_dict()))
    opened.settings(given)
    moved = tmp_path / "elsewhere"
    shot.rename(moved)
    monkeypatch.chdir(tmp_path)
    found = read_settings(moved / "run")
    assert (found.stage, found.video, found.second_video) == tuple(str(moved / name) for name in names[:3])
    assert found.second_camera == "left"
    first, other = (event for event, _ in read_events(moved / "run"))
    assert isinstance(first, RunStarted)
    assert first.settings["second_video"] == found.second_video
    assert isinstance(other, RunStarted)
    assert list(other.settings["few_step_lora"]) == [f"{moved / names[3]}@{'0' * 64}", lora[1]]


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    (tmp_path / "events.jsonl").write_bytes(
        b'{"event": "Note", "time": 1, "level": "info", "text": "a"}\n{"event": "No'
    )
    opened = Workspace(tmp_path)
    opened.event(StageStarted("fill"))
    opened.close()
    assert [event for event, _ in read_events(tmp_path)] == [Note("info", "a"), StageStarted("fill")]


def test_left_drafts_are_swept_and_other_files_are_not(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    ours = {p.name for p in tmp_path.iterdir()}
    left = (".state.json.9-0123abcd.tmp", ".a_inbetween.0123456789ab.usda")
    others = {".other.tmp", ".hero_inbetween.usda", "notes.txt", ".hidden"}
    for name in (*left, *others):
        (tmp_path / name).write_text("")
    Workspace(tmp_path).close()
    assert {p.name for p in tmp_path.iterdir()} == ours | others


def test_a_draft_of_somebody_at_work_is_not_swept(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    root = tmp_path / "a_inbetween.usda"
    with sole_writer(tmp_path), replacing(root) as draft:  # as a take is chosen
        draft.write_text("take 2")
        run = threading.Thread(target=lambda: Workspace(tmp_path).close())
        run.start()
        run.join(0.5)
    run.join(PATIENCE_S)
    assert root.read_text() == "take 2"


def test_a_lock_that_is_given_back_meanwhile_is_not_one_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, access = tmp_path / "lock", os.access
    lock.write_text("")

    def gone(path: Path, how: int) -> bool:
        if path == lock:
            lock.unlink()
        return access(path, how)

    monkeypatch.setattr("os.access", gone)
    check_readable(tmp_path)


def test_a_folder_is_marked_while_another_process_begins_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link
    others: list[threading.Thread] = []

    def slow_link(draft: Path, mark: Path) -> None:
        if not others:
            others.append(threading.Thread(target=lambda: Workspace(tmp_path).close()))
            others[0].start()
            others[0].join(0.5)
        link(draft, mark)

    monkeypatch.setattr("engine.files.owned_folder.os.link", slow_link)
    own_run_folder(tmp_path)
    others[0].join(PATIENCE_S)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_full_disk_is_one_sentence_and_leaves_whole_files(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write("report.json", "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EngineError, match="No space left on device"):
        workspace.write("report.json", "new")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(EngineError, match="No space left on device"):
        workspace.event(Note("info", "x"))
    monkeypatch.undo()
    assert (workspace.folder / "report.json").read_text() == "old"
    assert not list(workspace.folder.glob(".*.tmp"))


def test_a_folder_that_is_locked_meanwhile_is_one_sentence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``chattr +i``: nothing in it can be made or removed; and the lock that stays is not what is told."""
    opened = Workspace(tmp_path / "run")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(tmp_path / "run" / "lock"))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", refuse)
        with pytest.raises(EngineError) as caught:
            opened.write("check.json", "{}")  # which the list of its files has to name first
        assert f"{tmp_path}/run cannot be written (Operation not permitted); make it" in str(caught.value)
        assert "'anymole resume' goes on from there" in str(caught.value)
        assert exit_code(caught.value) is ExitCode.USAGE
        patched.setattr(opened._lock._lease, "release", refuse)
        opened.close()
    opened._lock.release()


def test_folders_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"format": 2}')
    with pytest.raises(ConfigError, match="newer"):
        read_state(tmp_path)


def kept(workspace: Workspace, key: str, calls: list[str]) -> str:
    def make(inputs: str, work: StageWork) -> str:
        calls.append(inputs)
        return f"made for {inputs}"

    stage = Stage("fill", key, make, lambda path, text: path.write_text(text), Path.read_text, "x.txt")
    return StageCache(workspace, Progress(), workspace.folder).get(stage)


def test_outputs_are_reused_for_the_same_inputs_only(workspace: Workspace) -> None:
    calls: list[str] = []
    assert kept(workspace, "a", calls) == kept(workspace, "a", calls) == "made for a"
    assert kept(workspace, "b", calls) == "made for b"
    assert calls == ["a", "b"]


@pytest.mark.parametrize("damage", [b"", b"made for b", None], ids=["empty", "other", "gone"])
def test_damaged_outputs_are_made_again(workspace: Workspace, damage: bytes | None) -> None:
    calls: list[str] = []
    kept(workspace, "a", calls)
    file = workspace.folder / "artefacts" / "x.txt"
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    assert kept(workspace, "a", calls) == "made for a"
    assert calls == ["a", "a"]


def test_an_index_that_leads_out_of_the_folder_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    for name in ("../secret", "/etc/passwd", "a/../../secret", ""):
        assert not is_inside(name)
    folder = tmp_path / "run"
    Workspace(folder).close()
    entry = {"key": "a", "files": {"../secret": "0"}}
    (folder / "artefacts.json").write_text(json.dumps({"artefacts": {"x.txt": entry}}))
    opened = Workspace(folder)
    assert opened.stored("x.txt", "a") is None
    opened.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"artefacts": 3}', "[" * 100_000])
def test_a_broken_index_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "artefacts.json").write_text(text)
    assert read_index(tmp_path) == {}


def test_checkpoints_of_other_inputs_are_not_taken_up(workspace: Workspace) -> None:
    first, second = (workspace.checkpoint_dir("adapt", content_hash(seed)) for seed in (1, 2))
    assert first != second
    assert workspace.checkpoint_dir("adapt", content_hash(1)) == first
    workspace.drop_checkpoints("adapt")
    assert not first.exists()
