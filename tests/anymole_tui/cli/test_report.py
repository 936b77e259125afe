"""``report`` and ``view`` on the command line."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from anymole_tui.cli.commands.report import tunnel
from tests.anymole_tui.cli.test_cli import Anymole, anymole, fox_keys

__all__ = ["anymole", "fox_keys"]


@pytest.fixture
def run_folder(anymole: Anymole, fox_keys: Path, tmp_path: Path) -> Path:
    options = ("--keys", "0,12", "--prior", "slerp", "--out", tmp_path / "run")
    assert anymole("run", fox_keys, *options).code == 0
    return tmp_path / "run"


def test_report_writes_a_page(anymole: Anymole, run_folder: Path, tmp_path: Path) -> None:
    assert not (run_folder / "report.html").exists()
    made = anymole("report", run_folder)
    assert (made.code, made.err) == (0, "")
    assert str(run_folder / "report.html") in made.out
    other = anymole(
        "report", run_folder / "fox_survey_keys_inbetween.usda", "--out", tmp_path / "a.html", "--json"
    )
    assert other.json["bytes"] == (tmp_path / "a.html").stat().st_size
    lost = anymole("report", tmp_path / "nowhere")
    assert lost.code == 2
    assert "there is no run" in lost.err


def test_view_serves_the_page_and_ends_with_ctrl_c(run_folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "anymole_tui", "view", str(run_folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"Content-Security-Policy" in answer.read()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ssh -N -L" in said


def test_the_tunnel_names_this_machine_as_it_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 51515 10.0.0.2 2222")
    assert tunnel(8000).startswith("ssh -N -L 8000:127.0.0.1:8000 -p 2222 ")
    assert tunnel(8000).endswith("@10.0.0.2")
    monkeypatch.delenv("SSH_CONNECTION")
    assert tunnel(8000).endswith(f"@{os.uname().nodename}")
