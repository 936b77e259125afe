"""``anymole demo`` fills its two shots side by side."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anymole_tui.cli import demo
from engine import ConfigError, EngineError, RunBusy
from engine import run as engine_run
from engine.runs.workspace import Workspace


def test_what_ends_the_first_shot_stops_the_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    started: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def launch(folder: Path) -> "subprocess.Popen[bytes]":
        """A run that goes on until it is told to stop."""
        started.append((folder, subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])))
        return started[0][1]

    def fails(*_: object) -> None:
        raise EngineError("the disk is full.")

    monkeypatch.setattr("anymole_tui.launching.launch", launch)
    monkeypatch.setattr(engine_run, "run", fails)
    with pytest.raises(EngineError, match="the disk is full"):
        demo.demo("demo", progress="json")
    ((folder, child),) = started
    assert folder == Path("demo/fox/fox_survey_keys_inbetween")  # as the user named it
    assert child.returncode == -signal.SIGTERM
    told = capsys.readouterr()
    assert told.out == ""  # which is for events
    assert "A boxer" in told.err


def test_a_demo_that_another_is_at_touches_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("anymole_tui.launching.launch", lambda folder: pytest.fail("a run was started"))
    Path("demo/boxer").mkdir(parents=True)
    other = Workspace(Path("demo/boxer/shot_inbetween"))
    try:
        with pytest.raises(RunBusy):
            demo.demo("demo", progress="none")
    finally:
        other.close()
    assert not Path("demo/fox/fox_survey_keys_inbetween").exists()


def test_nothing_is_written_through_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo/boxer").mkdir(parents=True)
    Path("demo/boxer/shot.usda").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"demo/boxer/shot\.usda is not the file"):
        demo.copy_examples(Path("demo"))
    assert not (tmp_path / "elsewhere").exists()


def test_the_folder_to_go_to_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("anymole_tui.launching.launch", lambda folder: None)
    monkeypatch.setattr(engine_run, "run", lambda *_: None)
    monkeypatch.setattr("anymole_tui.cli.attach.answer_run", lambda *_, **__: None)
    monkeypatch.setattr("anymole_tui.cli.attach.watch", lambda *_, **__: None)
    demo.demo("my [red]demo[/red]", progress="plain")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: "))
    command = line.removeprefix("Next: ").partition(", then")[0]
    there = subprocess.run(["sh", "-c", f"{command} && pwd"], stdout=subprocess.PIPE, check=True, text=True)
    assert there.stdout.strip() == str(tmp_path / "my [red]demo[/red]")
