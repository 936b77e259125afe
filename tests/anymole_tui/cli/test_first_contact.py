"""What a newcomer types first: help, versions, a file, a typo, tab."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from anymole_tui.cli import app
from anymole_tui.cli.option_sources import commands_of
from engine.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("ANYMOLE_CONFIG", "")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            app.main(list(arguments))
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.mark.parametrize("words", [("-V",), ("--version",)])
def test_the_version(call: Call, words: tuple[str, ...]) -> None:
    assert call(*words) == (0, f"anymole {version('anymole')}\n", "")


def test_the_versions_that_a_fault_may_depend_on(call: Call) -> None:
    code, out, _ = call("--version", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"anymole", "python", "usd-core", "torch", "textual", "platform", "models"} <= set(found)
    assert found["models"]["tiny"] == "ready"


def test_help_in_all_ways(call: Call) -> None:
    assert call("help") == call("--help") == call("-h")
    assert call("help", "run") == call("run", "--help") == call("run", "-h")
    assert call("help", "models", "pull")[0] == 0


@pytest.mark.parametrize("words", [(), ("run",), ("models", "pull")])
def test_help_as_json(call: Call, words: tuple[str, ...]) -> None:
    text = call("help", *words)[1]
    for asked in (("help", *words, "--json"), ("help", "--json", *words), (*words, "--help", "--json")):
        code, out, err = call(*asked)
        assert (code, err) == (0, "")
        assert json.loads(out) == {"command": " ".join(("anymole", *words)), "help": text}
    code, out, _ = call("help", "nope", "--json")
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


def test_a_word_that_calls_nothing_is_refused(call: Call) -> None:
    assert call("help", "run", "extra") == (
        2,
        "",
        "anymole: extra says nothing more about a command; 'anymole help run' is enough.\n",
    )
    assert (
        call("help", "nope")[2] == "anymole: there is no command 'nope'; 'anymole help' lists the commands.\n"
    )
    code, _, err = call("help", "models", "pul")
    assert (code, err) == (
        2,
        "anymole: there is no command 'models pul'; did you mean 'anymole models pull'?\n",
    )
    assert call("") == (2, "", "anymole: the first word is empty; 'anymole help' lists the commands.\n")
    for words in (("nope",), ("models", "nope"), ("run", "extra")):
        code, out, err = call("config", "show", *words)
        assert (code, out) == (2, "")
        assert f"there is no command '{' '.join(words)}'" in err


def test_options_of_a_command_or_a_group_are_shown(call: Call) -> None:
    for words in (("models", "pull"), ("models pull",)):
        code, out, _ = call("config", "show", *words, "--all", "--json")
        assert code == 0
        assert {setting["command"] for setting in json.loads(out)["settings"]} == {"models pull"}
    found = json.loads(call("config", "show", "usd", "--all", "--json")[1])["settings"]
    assert {setting["command"].split()[0] for setting in found} == {"usd"}
    assert call("config", "show", "run")[0] == 0


def test_help_of_run_is_in_groups_with_examples_and_without_noise(call: Call) -> None:
    _, out, _ = call("run", "--help")
    for title in (
        "What is filled:",
        "How motion is made:",
        "The result:",
        "A video of your own:",
        "Examples:",
    ):
        assert title in out
    assert out.count("  anymole run ") >= 2
    for noise in ("<list[str]>", "env var", "ANYMOLE_RUN", "<str>"):
        assert noise not in out


def test_a_call_builds_the_commands_of_one_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANYMOLE_CONFIG", "")
    every = app.command_group().commands
    for word in every:
        own = app.command_group(word).commands
        assert word in own
        assert len(own) < 7
        for name, command in own.items():
            assert [p.opts for p in command.params] == [p.opts for p in every[name].params], name
    assert sorted(name for own in app.HOMES.values() for name in own) == sorted(every)
    assert app.group_for(["inspect", "x.usda"]) is app.command_group("inspect")
    # help, mistakes, and settings files, which may name any option of any command, need all of them
    for words in ([], ["--help"], ["help", "run"], ["inspcet"], ["config", "show"]):
        assert app.group_for(words) is app.command_group(), words
    Path("anymole.toml").touch()
    assert app.group_for(["inspect", "x.usda"]) is app.command_group()


def test_a_stage_that_no_run_has_leaves_no_folder(
    call: Call, tmp_path: Path, two_bone_arm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call("run", str(two_bone_arm), "--out", str(tmp_path / "run"), "--until", "nope")
    assert code == 2
    assert "has no stage nope; it has fill, " in err
    assert not (tmp_path / "run").exists()
    code, out, err = call("run", str(two_bone_arm), "--until", "nope", "--dry-run")
    assert (code, out) == (2, "")
    assert "has no stage nope; it has fill, " in err


@pytest.mark.parametrize("command", ["run", "resume"])
def test_a_run_is_not_both_left_to_itself_and_done_here(
    call: Call, tmp_path: Path, two_bone_arm: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    code, _, err = call(command, str(two_bone_arm), "--detach", "--here")
    assert code == 2
    assert "give one of the two (--detach, --here)" in err
    assert set(tmp_path.iterdir()) == before


def test_no_help_shows_the_types_of_values(call: Call) -> None:
    for words, command in commands_of(app.command_group()):
        if not getattr(command, "commands", None):
            _, out, _ = call(*words, "--help")
            assert not re.search(r" <\w", out), out


def test_a_file_or_a_folder_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = app.command_group()
    stage = tmp_path / "shot.usda"
    stage.write_text("#usda 1.0\n")
    assert app.as_command([str(stage)], group) == ["tui", str(stage)]
    assert app.as_command([str(tmp_path), "--ascii"], group) == ["tui", str(tmp_path), "--ascii"]
    assert app.as_command([], group) == []  # no terminal here: help
    monkeypatch.setattr("sys.stdin", os.fdopen(os.openpty()[1]))
    monkeypatch.setattr("sys.stdout", os.fdopen(os.openpty()[1], "w"))
    assert app.as_command([], group) == ["tui"]


def test_a_command_wins_over_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    assert app.as_command(["run", "x"], app.command_group()) == ["run", "x"]


def test_an_unknown_word_hints_at_the_nearest_command(call: Call) -> None:
    code, out, err = call("inspcet", "x.usda")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "anymole: inspcet is no command, and no such file or folder exists; did you mean 'anymole inspect'?"
    ]
    assert "'anymole help' lists the commands" in call("qqqq")[2]
    with pytest.raises(ConfigError):
        app.as_command(["\x1b[2Jx"], app.command_group())
    assert "\x1b" not in call("\x1b[2Jx")[2]


def test_wrong_files_do_not_keep_from_help_or_completion(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.toml").write_text("[run")
    monkeypatch.setenv("ANYMOLE_CONFIG", str(tmp_path / "bad.toml"))
    assert call("-h")[0] == 0
    assert call("help", "run")[0] == 0
    monkeypatch.setenv(app.COMPLETION, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "anymole run --prior sl")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert call() == (0, "slerp\n", "")


@pytest.fixture
def in_shell(tmp_path: Path) -> Callable[[str, str], str]:
    """Runs a script in a real shell, with a home of its own and ``anymole`` on the path."""
    command = tmp_path / "bin" / "anymole"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anymole_tui "$@"\n')
    command.chmod(0o755)

    def run(shell: str, script: str) -> str:
        found = shutil.which(shell)
        if found is None:
            pytest.skip(f"{shell} is not installed")
        (tmp_path / "home").mkdir(exist_ok=True)
        environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
            "ANYMOLE_CONFIG": "",
            "TERM": "dumb",
        }
        place = tmp_path / f"script.{shell}"
        place.write_text(script)
        done = subprocess.run(
            [found, str(place)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_bash_completes_what_it_installed(in_shell: Callable[[str, str], str]) -> None:
    words = in_shell(
        "bash",
        """anymole --install-completion > /dev/null
        . ~/.bash_completions/anymole.sh
        COMP_WORDS=(anymole run --pri) COMP_CWORD=2
        _anymole_completion anymole
        echo "${COMPREPLY[@]}"
        complete -p anymole""",
    )
    assert words.splitlines()[0] == "--prior"
    assert "_anymole_completion" in words


def test_fish_completes_what_it_installed(in_shell: Callable[[str, str], str]) -> None:
    words = in_shell(
        "fish",
        """anymole --install-completion > /dev/null
        source ~/.config/fish/completions/anymole.fish
        complete -C 'anymole run --prior sp'
        complete -C 'anymole inspe'""",
    )
    assert [line.split("\t")[0] for line in words.splitlines()] == ["spline", "inspect"]


def test_zsh_completes_what_it_installed(in_shell: Callable[[str, str], str]) -> None:
    words = in_shell(
        "zsh",
        """anymole --install-completion > /dev/null
        fpath=(~/.zfunc $fpath)
        autoload -Uz compinit && compinit -u
        print -r -- ${_comps[anymole]}
        autoload -Uz +X _anymole 2>/dev/null
        _TYPER_COMPLETE_ARGS='anymole inspe' _ANYMOLE_COMPLETE=complete_zsh anymole""",
    )
    assert words.splitlines()[0] == "_anymole"
    assert "inspect" in words.splitlines()[-1]
