"""``anymole demo`` fills its two shots side by side."""

import subprocess
import sys
from pathlib import Path

import pytest

from anymole_tui.cli import demo
from engine import EngineError
from engine import run as engine_run
from engine.runs.workspace import CANCEL


def test_what_ends_the_first_shot_stops_the_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    started: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def launch(folder: Path) -> "subprocess.Popen[bytes]":
        """A run that goes on until it is asked to stop."""
        wait = f"import pathlib, time\nwhile not pathlib.Path({str(folder / CANCEL)!r}).exists(): time.sleep(0.01)"
        started.append((folder, subprocess.Popen([sys.executable, "-c", wait])))
        return started[0][1]

    def fails(*_: object) -> None:
        raise EngineError("the disk is full.")

    monkeypatch.setattr("anymole_tui.launching.launch", launch)
    monkeypatch.setattr(engine_run, "run", fails)
    with pytest.raises(EngineError, match="the disk is full"):
        demo.demo("demo", progress="none")
    ((folder, child),) = started
    assert folder == Path("demo/fox/fox_survey_keys_inbetween")  # as the user named it
    assert child.returncode == 0
