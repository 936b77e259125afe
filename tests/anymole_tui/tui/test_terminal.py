"""In real terminals: a pty that counts bytes and sends broken mouse reports, and tmux, detached and attached again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from engine.runs.registry import read_run
from tests.anymole_tui.tui.terminal import ROOT, Terminal, tui
from tests.patience import PATIENCE_S

LEGACY_MOUSE = b"\x1b[M C\xa8@"
"""A mouse report of the old kind with the pointer right of column 95: its third byte is no UTF-8."""


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {"ANYMOLE_STATE_DIR": str(home.parent / "state"), "ANYMOLE_CONFIG": "", "COLORTERM": "truecolor"}


def test_idle_writes_nothing_and_a_broken_mouse_report_is_survived(
    fox_folder: Path, environment: dict[str, str]
) -> None:
    with Terminal(tui(fox_folder), environment, (120, 40)) as terminal:
        terminal.wait_for(b"fox_survey_keys.usda")
        terminal.quiet(0.5)
        assert terminal.read(2.0) == b""
        terminal.send(b"g")
        terminal.quiet(0.5)
        terminal.send(b"g")  # the first row is chosen already
        assert terminal.read(0.5) == b""
        terminal.send(LEGACY_MOUSE * 3)
        terminal.quiet(0.5)
        terminal.send(b"?")
        terminal.wait_for(b"Folder above")
        assert terminal.process.poll() is None
        terminal.send(b"\x1b")
        terminal.quiet(0.5)
        terminal.send(b"q")
        assert terminal.process.wait(PATIENCE_S) == 0
        terminal.read(0.2)
    assert b"\x1b[?1049l" in terminal.written  # the screen from before is back
    assert b"Traceback" not in terminal.written


def test_the_clipboard_is_told_over_the_terminal(fox_folder: Path, environment: dict[str, str]) -> None:
    with Terminal(tui(fox_folder), {**environment, "TMUX": "yes"}, (80, 24)) as terminal:
        terminal.wait_for(b"fox_survey_keys.usda")
        terminal.send(b"y")
        terminal.wait_for(b"\x1b]52;c;")
        terminal.quiet(0.5)
    assert b"\x1bPtmux;\x1b\x1b]52;c;" in terminal.written


def test_without_arguments_in_a_terminal_it_opens_and_without_a_terminal_it_helps(
    fox_folder: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "anymole_tui"]
    with Terminal(command, environment, (80, 24)) as terminal:
        terminal.wait_for(b"Recent")
    env = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert "inspect" in done.stdout + done.stderr
    refused = subprocess.run(
        tui(fox_folder), env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert refused.returncode == 2
    assert "needs a terminal" in refused.stderr


def test_ended_from_without_it_gives_the_terminal_back_and_remembers(
    fox_folder: Path, environment: dict[str, str]
) -> None:
    """SIGTERM, SIGHUP as of a lost connection, and SIGKILL, which leaves what was known when the stage opened."""
    session = Path(environment["ANYMOLE_STATE_DIR"]) / "session.json"
    stage = fox_folder / "fox_survey_keys.usda"
    for ending, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)):
        session.unlink(missing_ok=True)
        with Terminal(tui(stage), environment, (80, 24)) as terminal:
            terminal.wait_for(b"Composition", b"Looks")
            terminal.send(b"G")
            terminal.wait_for(b"/Fox/Looks")
            terminal.process.send_signal(ending)
            assert terminal.process.wait(PATIENCE_S) == code
            terminal.quiet(0.05)
        assert b"Traceback" not in terminal.written
        assert (b"\x1b[?1049l" in terminal.written) == (ending == signal.SIGTERM)
        kept = json.loads(session.read_text())
        assert kept["recent"] == [str(stage)]
        if ending != signal.SIGKILL:
            assert kept["places"][str(stage)]["prim"] not in ("", "/Fox")


def test_of_keys_that_come_together_each_is_for_what_has_the_focus_by_then(
    fox_folder: Path, environment: dict[str, str]
) -> None:
    with Terminal(tui(fox_folder / "fox"), environment, (80, 24)) as terminal:
        terminal.wait_for(b"fox_survey.usda")
        screen = pyte.Screen(80, 24)
        stream, end = pyte.ByteStream(screen), time.monotonic() + PATIENCE_S
        stream.feed(terminal.written)

        def until(true: Callable[[], bool]) -> None:
            while not true():
                stream.feed(terminal.read(0.05))
                assert time.monotonic() < end, screen.display

        def names() -> list[str]:
            return [line.split()[1] for line in screen.display[3:] if line.startswith("\u2502 fox")]

        until(lambda: "fox_survey.usda" in names())
        every = names()
        terminal.send(b"GG/sur")
        until(lambda: names() == ["fox_survey.usda"])
        terminal.send(b"\x1b")
        until(lambda: names() == every)
        column = next(x for x in range(80) if screen.display[1][x:].startswith("Recent"))
        terminal.send(b"\t\t\t")  # over the two panels and back: the last one is that of recent stages
        until(lambda: screen.buffer[1][column].fg != screen.buffer[1][2].fg)
        stream.feed(terminal.read(0.5))
        assert screen.buffer[1][column].fg != screen.buffer[1][2].fg


class Tmux:
    """A tmux server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux.sock")

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def command(self, *arguments: str) -> list[str]:
        return ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments]

    def wait_for(self, word: str) -> str:
        end = time.monotonic() + PATIENCE_S
        while word not in (text := self("capture-pane", "-p")):
            assert time.monotonic() < end, f"{word} does not come; the screen is\n{text}"
            time.sleep(0.1)
        return text


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    server = Tmux(tmp_path)
    yield server
    server("kill-server")


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGHUP])
def test_a_run_outlives_the_death_of_the_ui_and_is_found_again(
    fox_folder: Path, environment: dict[str, str], ending: signal.Signals
) -> None:
    """Killed, or its connection lost: the run, started from within, ends as if nothing had been."""
    folder = fox_folder / "fox_survey_keys_inbetween"
    Path("anymole.toml").write_text("[run]\npreview = false\n")
    stage = fox_folder / "fox_survey_keys.usda"
    with Terminal(tui(stage), environment, (120, 40)) as terminal:
        terminal.wait_for(b"SkelRoot")
        terminal.send(b"p")
        terminal.wait_for(b"frames in")
        terminal.send(b"\x12")
        terminal.wait_for(b"Stages")
        os.kill(terminal.process.pid, ending)
        terminal.process.wait(PATIENCE_S)
    assert not (folder / "cancel").exists()
    with Terminal(tui(fox_folder), environment, (120, 40)) as terminal:
        terminal.wait_for(b"fox_survey_keys.usda")
        terminal.send(b"2")
        terminal.wait_for(b"fox_survey_keys_inbetween")
        terminal.send(b"\r")
        terminal.wait_for(b"done in")
    assert read_run(folder).state == "done"


def test_in_tmux_keys_work_and_it_lives_through_detaching(
    tmux: Tmux, fox_folder: Path, environment: dict[str, str]
) -> None:
    variables = " ".join(f"{name}='{value}'" for name, value in environment.items())
    shell = f"env PYTHONPATH={ROOT} LANG=C.UTF-8 {variables} {' '.join(tui(fox_folder))}; echo ended with $?; sleep 600"
    tmux("new-session", "-d", "-x", "100", "-y", "30", shell)
    tmux("set", "-g", "mouse", "on")
    tmux.wait_for("fox_survey_keys.usda")
    for _ in range(2):
        with Terminal(tmux.command("attach"), {}, (100, 30)) as client:
            client.wait_for(b"fox_survey_keys.usda")
            client.send(LEGACY_MOUSE)
            client.quiet(0.5)
    tmux("send-keys", "G", "Enter")
    tmux.wait_for("Skeleton")
    tmux("send-keys", "q")
    tmux.wait_for("Recent")
    tmux("send-keys", "q")
    tmux.wait_for("ended with 0")
