"""The ``usd`` commands: answers on stdout, exit codes."""

import shutil
from pathlib import Path

from tests.anymole_tui.cli.test_cli import Anymole, anymole, fox

__all__ = ["anymole", "fox"]


def test_the_usd_commands_answer(anymole: Anymole, fox: Path, tmp_path: Path) -> None:
    assert anymole("usd", "tree", fox, "-a").out.startswith("Fox SkelRoot\n")
    assert anymole("usd", "cat", fox).out.startswith("#usda 1.0")
    fox = shutil.copytree(fox.parent, tmp_path / "fox") / fox.name
    part, slow, copy = (fox.with_name(f"{name}.usda") for name in ("part", "slow", "copy"))
    cut = anymole("usd", "trim", fox, "--range", "0:10", "--out", part)
    assert (cut.code, cut.out) == (0, f"{part}\n")
    assert "samples cut" in cut.err
    made = anymole("usd", "retime", fox, "--scale", "2", "--out", slow, "--json")
    assert made.json["range"] == [0.0, 164.0]
    assert anymole("usd", "cat", fox, "--out", copy).code == 0
    same = anymole("usd", "diff", fox, copy)
    assert (same.code, same.out) == (0, "")
    differs = anymole("usd", "diff", fox, part, "--json")
    assert differs.code == 1
    assert any("only before" in each["text"] for each in differs.json["differences"])


def test_mistakes_are_sentences(anymole: Anymole, fox: Path, tmp_path: Path) -> None:
    assert "is no range" in anymole("usd", "trim", fox, "--range", "5", "--out", tmp_path / "x.usda").err
    lost = anymole("usd", "tree", tmp_path / "nowhere.usda")
    assert lost.code == 2
    assert "does not exist" in lost.err


def test_a_name_that_is_taken_is_refused_with_the_options_that_help(
    anymole: Anymole, fox: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.usda"
    assert anymole("usd", "cat", fox, "--out", copy).code == 0
    taken = anymole("usd", "cat", fox, "--out", copy)
    assert taken.err.endswith(
        "copy.usda exists; choose another name or allow overwriting (--out, --force).\n"
    )
    assert anymole("usd", "cat", copy, "--out", copy, "--force").err.endswith(
        "choose another name (--out).\n"
    )
