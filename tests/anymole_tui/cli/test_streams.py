"""Commands whose streams, terminal or current folder are not what they should be: never a traceback, and what is done
is done."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs.process import python_command, python_environment


def shell(
    tmp_path: Path, arguments: str, streams: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    command = f"{shlex.join(python_command('anymole_tui'))} {arguments} {streams}"
    own = {"ANYMOLE_CONFIG": "", "ANYMOLE_STATE_DIR": str(tmp_path / "state"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        cwd=tmp_path,
        env=python_environment() | own | environment,
    )


RUN = "run {stage} --out done --no-preview --no-report --prior slerp"


@pytest.mark.parametrize(
    "streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full", "2>&1 | true"]
)
def test_a_run_ends_well_whoever_hears_of_it(data: Path, tmp_path: Path, streams: str) -> None:
    stage = data / "edge" / "fox_survey_keys.usda"
    done = shell(tmp_path, RUN.format(stage=stage), f"{streams}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stdout + done.stderr
    assert json.loads((tmp_path / "done" / "state.json").read_text())["state"] == "done"


def test_nothing_that_libraries_say_lands_in_our_files(data: Path, tmp_path: Path) -> None:
    """Else the first file that is opened takes the number of the closed stream."""
    shell(tmp_path, RUN.format(stage=data / "edge" / "fox_survey_keys.usda"), ">&- 2>&-")
    events = (tmp_path / "done" / "events.jsonl").read_text().splitlines()
    assert all(json.loads(line)["event"] for line in events)


@pytest.mark.parametrize("extra", ["", "--json"])
def test_an_answer_that_cannot_be_written_is_one_sentence(data: Path, tmp_path: Path, extra: str) -> None:
    done = shell(tmp_path, f"inspect {data / 'fox' / 'fox.usdc'} {extra}", ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("anymole: the answer cannot be written")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_without_the_letters_shows_escapes(data: Path, tmp_path: Path, encoding: str) -> None:
    stage = tmp_path / "漢é.usdc"
    stage.write_bytes((data / "fox" / "fox.usdc").read_bytes())
    done = shell(tmp_path, f"inspect {stage}", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert rb"\u6f22" in done.stdout


@pytest.mark.parametrize("command", ["runs", "inspect x.usda", "clean", "tui", "run x.usda"])
def test_a_current_folder_that_is_gone_is_one_sentence(tmp_path: Path, command: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = f"cd {gone}; rmdir {gone}; {shlex.join(python_command('anymole_tui'))} {command}"
    done = subprocess.run(["bash", "-c", words], capture_output=True, env=python_environment())
    assert done.returncode == 1
    assert (
        done.stderr.decode() == "anymole: the current folder is gone; change to another one and try again.\n"
    )


def test_a_name_of_any_length_or_kind_is_one_sentence(tmp_path: Path) -> None:
    for name in ("x" * 5000, "a/" * 3000, "$'\\xff'"):
        done = shell(tmp_path, f"attach {name}")
        assert done.returncode == 2, done.stderr
        assert b"unexpected" not in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_run_whose_terminal_is_gone_goes_on_where_its_hangup_is_ignored(data: Path, tmp_path: Path) -> None:
    """As under nohup, but the terminal cannot be closed before the hang-up is ignored."""
    import pty

    stage = data / "edge" / "fox_survey_keys.usda"
    told, ready = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, before the terminal can be closed
        os.write(ready, b"ready")
        os.chdir(tmp_path)
        os.environ.update(
            python_environment() | {"ANYMOLE_STATE_DIR": str(tmp_path / "state"), "ANYMOLE_CONFIG": ""}
        )
        os.execv(sys.executable, [*python_command("anymole_tui"), *RUN.format(stage=stage).split(), "--here"])
    os.close(ready)
    assert os.read(told, 5) == b"ready"
    os.close(told)
    os.close(terminal)  # every stream of the child is this terminal
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert json.loads((tmp_path / "done" / "state.json").read_text())["state"] == "done"
