"""How the process of a command ends."""

import subprocess
import sys

import pytest

CODE = """
import atexit, sys
from anymole_tui.__main__ import main
from anymole_tui.cli import app
command_line = app.main
def with_an_end():
    atexit.register(print, "the end")
    command_line()
app.main = with_an_end
sys.argv = ["anymole", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("--no-such-option", 2)])
def test_the_process_ends_with_its_code_and_all_that_was_said(argument: str, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", CODE, argument], capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stdout.splitlines()[-1] == "the end"
    assert ended.stdout.startswith("anymole ") if code == 0 else "--no-such-option" in ended.stderr
