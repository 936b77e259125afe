"""The documents say what the commands take."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from anymole_tui.cli.app import command_group
from anymole_tui.cli.reference import documented, man_page, named_in, option_table
from engine.config import RunConfig
from engine.settings.setting import fields_of

ROOT = Path(__file__).resolve().parents[3]


def test_docs_are_current() -> None:
    """``python scripts/document_commands.py`` mends it."""
    group, found = command_group(), set()
    for document in sorted((ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        found |= set(named_in(text, group))
        assert documented(text, group) == text, document.name
    assert found >= {"run", "render", "evaluate", "submit"}


def test_the_manual_page_is_current_and_names_all_commands() -> None:
    """``python scripts/document_commands.py`` mends it."""
    page = (ROOT / "docs" / "anymole.1").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert page == man_page(command_group(), project["project"]["version"])
    assert page.startswith(".TH ANYMOLE 1")
    for name in command_group().commands:
        assert f'.SS "anymole {name}' in page


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_reads_the_page_without_a_complaint() -> None:
    run = ["man", "--warnings", "--local-file", str(ROOT / "docs" / "anymole.1")]
    shown = subprocess.run(
        run, capture_output=True, text=True, env=os.environ | {"MANPAGER": "cat", "MANWIDTH": "100"}
    )
    assert shown.returncode == 0
    assert not shown.stderr
    assert "--context" in shown.stdout
    assert "anymole run walk.usda --context 1:49 --keys 49,73,97 --lock 'Head,*Hand*'" in shown.stdout


def test_every_setting_of_a_run_is_in_its_table() -> None:
    table = option_table(command_group().commands["run"])
    for field in fields_of(RunConfig):
        assert ("`STAGE`" if field.setting.argument else f"`--{field.option}") in table
        assert field.setting.help in table.replace(r"\|", "|")


def test_the_engine_names_settings_and_no_flags() -> None:
    """How a setting is given is the word of the face: the command line adds its flags to what the engine says."""
    commands = {
        "farm/batch.py",
        "farm/kubernetes.py",
        "farm/openjd.py",
        "runs/command_line.py",
        "runs/process.py",
    }  # they write commands
    wrong = []
    for path in sorted((ROOT / "engine").rglob("*.py")):
        place = path.relative_to(ROOT / "engine").as_posix()
        if place in commands or "argparse" in path.read_text(encoding="utf-8"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"""["'( ]--[a-z][a-z-]+""", line) and "'anymole " not in line:
                wrong.append(f"{place}:{number}: {line.strip()}")
    assert not wrong
