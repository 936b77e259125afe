"""Runs begun in a terminal: the end of the terminal does not reach them, Ctrl-C does."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import typer

from anymole_tui.cli.attach import start_detached_run, start_watched_run
from engine import run as engine_run
from engine.config import RunConfig
from engine.runs.registry import RunRecord, read_run
from tests.patience import PATIENCE_S


class Terminal:
    """A command in a pseudo terminal of its own, of 80 columns."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anymole_tui", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "ANYMOLE_STATE_DIR": str(folder), "ANYMOLE_CONFIG": ""},
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {self.text}"
            self._read(0.01)

    def _read(self, seconds: float) -> bool:
        """Keep what is said; False where nothing is, or the other side is closed."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        with suppress(OSError):
            self.text += os.read(self._ours, 65536).decode(errors="replace")
            return True
        return False

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def end(self) -> int:
        self.read_until(lambda: self.process.poll() is not None)
        while self._read(0):
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """What happens when a window is closed or a connection breaks."""
        os.close(self._ours)
        self.process.wait(PATIENCE_S)


@pytest.fixture
def begin(data: Path, tmp_path: Path) -> Callable[..., Terminal]:
    def call(*options: str, until: Callable[[RunRecord], bool]) -> Terminal:
        stage = data / "edge" / "fox_survey_keys.usda"
        out = tmp_path / "run"
        terminal = Terminal(tmp_path / "known", "run", stage, "--out", out, "--no-preview", *options)
        terminal.read_until(lambda: until(read_run(out)))
        return terminal

    return call


def is_running(run: RunRecord) -> bool:
    return run.state == "running"


def wait_for_end(folder: Path) -> str:
    end = time.monotonic() + PATIENCE_S
    while read_run(folder).live:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return read_run(folder).state


def test_a_run_outlives_its_terminal(begin: Callable[..., Terminal], tmp_path: Path) -> None:
    begin("--prior", "slerp", until=is_running).close()
    assert wait_for_end(tmp_path / "run") == "done"
    assert (tmp_path / "run" / "fox_survey_keys_inbetween.usda").is_file()


def test_ctrl_c_stops_a_run_that_has_hardly_begun(begin: Callable[..., Terminal], tmp_path: Path) -> None:
    terminal = begin(until=lambda run: run.live)  # on a busy machine it may run by the time that we look
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert "stopped by the user" in terminal.text
    assert "Traceback" not in terminal.text
    assert (read_run(tmp_path / "run").state, read_run(tmp_path / "run").exit_code) == ("cancelled", 130)


@pytest.mark.parametrize("detached", [False, True])
def test_ctrl_c_between_preparing_and_starting_a_run_stops_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, detached: bool
) -> None:
    monkeypatch.setenv("ANYMOLE_STATE_DIR", str(tmp_path / "known"))
    stage = str(data / "edge" / "fox_survey_keys.usda")
    config = RunConfig(stage=stage, out=str(tmp_path / "run"), preview=False)

    def prepare_and_be_interrupted() -> Path:
        folder = engine_run.prepare(config)
        signal.raise_signal(signal.SIGINT)
        return folder

    if detached:
        with pytest.raises(KeyboardInterrupt):
            start_detached_run(prepare_and_be_interrupted, as_json=False)
        assert wait_for_end(tmp_path / "run") == "cancelled"
    else:
        with pytest.raises(typer.Exit) as ended:
            start_watched_run(prepare_and_be_interrupted, "plain", as_json=False)
        assert ended.value.exit_code == 130
    assert (read_run(tmp_path / "run").state, read_run(tmp_path / "run").exit_code) == ("cancelled", 130)


def test_a_run_in_its_terminal_saves_when_that_is_closed(
    begin: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal = begin("--here", until=is_running)
    terminal.close()
    assert terminal.process.returncode == 143
    assert (read_run(tmp_path / "run").state, read_run(tmp_path / "run").exit_code) == ("cancelled", 143)
