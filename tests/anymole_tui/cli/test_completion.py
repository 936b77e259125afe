"""The shell completes whatever takes one of a few words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anymole_tui.cli.app import COMPLETION, command_group, main
from anymole_tui.cli.option_sources import commands_of

OPEN_VALUES = {
    "STAGE",
    "FILE",
    "FILE[@SHA256]",
    "FOLDER",
    "RUN",
    "ID",
    "PRIM",
    "TEXT",
    "N",
    "NUMBER",
    "HEIGHTxWIDTH",
} | {
    "A:B",
    "A:B:STEP",
    "T,T,...",
    "JOINT,JOINT,...",
    "JOINT@A:B",
    "SHOTS.toml",
    "[ID]...",
    "[FOLDER]...",
    "STAGE...",
}
"""What help calls values that no list can hold: files, times, numbers, prims, ids."""
OPEN_OPTIONS = {  # the same of options that help calls by their own name
    *("benchmark suite", "benchmark --out", "demo folder", "models convert --source", "models pull --from"),
    *("report --out", "shot --number", "shot --out", "shot --path-mapping", "take result", "tui target"),
    *(f"submit --{name}" for name in ("address", "claim", "image", "mount", "out", "partition", "queue")),
}


def parameters() -> Iterator[tuple[str, Any, list[str]]]:
    """All that take a text, with the words that the shell offers."""
    for words, command in commands_of(command_group()):
        context = command.context_class(command, info_name=words[-1])
        for parameter in command.params:
            if not (getattr(parameter, "is_flag", False) or parameter.type.name.startswith(("int", "float"))):
                offered = [item.value for item in parameter.shell_complete(context, "")]
                long = next((text for text in parameter.opts if text.startswith("--")), parameter.name)
                yield f"{' '.join(words)} {long}", parameter, offered


def test_whatever_takes_one_of_a_few_words_offers_them() -> None:
    """A new option completes, or is said to be open here."""
    wrong = []
    for name, parameter, offered in parameters():
        parts = [part.partition("[")[0] or part for part in (parameter.metavar or "").split("|") if part]
        literal = {part for part in parts if part == part.lower()}
        closed = name not in OPEN_OPTIONS and not ({*(parameter.metavar or "").split("|")} <= OPEN_VALUES)
        if not literal <= {*offered} or (closed and name != "config show command" and not offered):
            wrong.append(name)
    assert not wrong
    assert {*OPEN_OPTIONS} <= {name for name, _, offered in parameters() if not offered}


def test_choices_that_help_names_are_those_that_are_offered() -> None:
    offers = {name: (parameter, offered) for name, parameter, offered in parameters()}
    readers, offered = offers["check --for"]
    assert readers.help.endswith(": " + ", ".join(offered) + ".")
    assert {"anymole", "ansi-dark"} <= {*offers["tui --theme"][1]}
    assert {"fill", "generate", "mimic", "report"} <= {*offers["run --until"][1]}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("submit --to s", ["slurm"]),
        ("evaluate --prior learned,s", ["learned,spline", "learned,slerp"]),
        ("check --for blender,t", ["blender,three", "blender,tinyusdz"]),
        ("tui --theme mine", ["mine"]),
        ("render --views front,r", ["front,right"]),
        ("models pull wan-v", ["wan-vace", "wan-vace-14b"]),
        ("models convert ", ["dynamicrafter"]),
        ("config show mo", ["models"]),
        ("he", ["help"]),
        ("help c", ["check", "cancel", "clean", "config"]),
        ("help he", []),
        ("help config ", ["show", "where"]),
        ("help config show ", []),
        ("help run ", []),
        ("config show models p", ["pull", "path"]),
        ("config show run ", []),
    ],
)
def test_the_shell_is_offered_words(
    typed: str,
    offered: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "user.toml").write_text("[themes.mine]\nprimary = '#ffffff'\n")
    monkeypatch.setenv("ANYMOLE_CONFIG", str(tmp_path / "user.toml"))
    monkeypatch.setenv(COMPLETION, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"anymole {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" "))))
    with pytest.raises(SystemExit):
        main([])
    assert capfd.readouterr().out.split() == offered
