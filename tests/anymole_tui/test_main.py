"""How the process of a command begins and ends."""

import platform
import subprocess
import sys

import pytest

from engine import ExitCode

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


ARRAYS = """
import resource, sys
import numpy as np
from anymole_tui.__main__ import keep_freed_memory
from usd_io.memory import give_back
keep_freed_memory()
for count in range(50):
    if count == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    many = [np.ones(1 << 20) for _ in range(4)]
    del many
    if "give_back" in sys.argv:
        give_back()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide by themselves")
def test_freed_memory_is_kept_for_the_next_array_until_it_is_handed_back() -> None:
    def pages(*asked: str) -> int:
        """That the process is handed while it makes 160 arrays of 8 MB, four at a time."""
        command = [sys.executable, "-c", ARRAYS, *asked]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert pages() < 1000
    assert pages("give_back") > 10_000


def test_an_interrupt_while_it_is_imported_is_told_in_a_sentence() -> None:
    code = """
import sys, types
class Late(types.ModuleType):
    def __getattr__(self, name):
        raise KeyboardInterrupt if name == "main" else AttributeError(name)
from anymole_tui import cli
from anymole_tui.__main__ import main
sys.modules["anymole_tui.cli.app"] = Late("anymole_tui.cli.app")
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (ExitCode.INTERRUPTED, "")
    assert ended.stderr == "anymole: stopped by the user.\n"
