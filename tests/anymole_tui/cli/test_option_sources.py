"""Options from files and the environment, and who wins; progress in every dialect."""

import io
import itertools
import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anymole_tui.cli import progress_view
from anymole_tui.cli.app import main
from anymole_tui.cli.option_sources import OWN_VARIABLES
from anymole_tui.settings_files import run_defaults
from anymole_tui.wording import duration
from engine.errors import ConfigError
from engine.events import Note, RunFailed, RunFinished, RunStarted, StageFinished, StageProgress, StageStarted

Call = Callable[..., tuple[int, str, str]]
PLAIN_RUN = ("--here", "--no-preview", "--no-report")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    (tmp_path / "project" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "below")
    (tmp_path / "user.toml").touch()
    monkeypatch.setenv("ANYMOLE_CONFIG", str(tmp_path / "user.toml"))
    monkeypatch.setenv("ANYMOLE_STATE_DIR", str(tmp_path / "state"))

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def shown(call: Call) -> dict[str, Any]:
    code, out, _ = call("config", "show", "run", "--json")
    assert code == 0
    return {s["option"]: (s["value"], s["source"]) for s in json.loads(out)["settings"]}


def test_each_place_wins_over_the_ones_below(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(call) == {}
    (tmp_path / "user.toml").write_text("seed = 1\n[run]\nprior = 'slerp'\nkeys = [1, 2.5]\n")
    assert shown(call) == {"seed": (1, "user"), "prior": ("slerp", "user"), "keys": ("1,2.5", "user")}
    (tmp_path / "project" / "anymole.toml").write_text("[run]\nseed = 2\n")
    assert shown(call)["seed"] == (2, "project")
    monkeypatch.setenv("ANYMOLE_RUN_SEED", "3")
    assert shown(call)["seed"] == ("3", "environment")


def test_settings_decide_runs_and_the_command_line_wins(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = shutil.copy(data / "fox" / "fox.usdc", tmp_path)
    (tmp_path / "user.toml").write_text("[run]\nkeys = [0, 40]\ndry-run = true\n")
    monkeypatch.setenv("ANYMOLE_RUN_JSON", "1")
    code, out, _ = call("run", stage)
    assert code == 0
    assert json.loads(out)["plan"][0]["keys"] == [0, 40]
    code, out, _ = call("run", stage, "--keys", "0,20")
    assert json.loads(out)["plan"][0]["keys"] == [0, 20]
    code, out, _ = call("run", stage, "--keys", "0,9999")
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ANYMOLE_RUNS_NOPE", "ANYMOLE_RUNS_JSON"),
        ("ANYMOLE_RNUS_JSON", "ANYMOLE_RUNS_JSON"),
        ("ANYMOLE_STATE_DIRS", "ANYMOLE_STATE_DIR"),
        ("ANYMOLE_RUNS_DEBUG", ""),
        ("ANYMOLE_RUN_JSON", ""),  # of another command, which looks at it
        ("ANYMOLE_STUDIO_ROOT", ""),  # of others
        *((name, "") for name in sorted(OWN_VARIABLES)),
    ],
)
def test_a_variable_that_sets_nothing_is_said_once(
    name: str, near: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, os.environ.get(name) or "0")
    code, out, err = call("runs", ".", "--json")
    assert (code, json.loads(out)) == (0, {"runs": []})
    said = f"warning: {name} is set and is no setting; did you mean {near}?\n"
    assert err == (said if near else "")


def test_all_variables_that_are_read_are_known() -> None:
    here = Path(main.__code__.co_filename).parents[2]
    text = "".join(f.read_text() for room in ("anymole_tui", "engine") for f in (here / room).rglob("*.py"))
    read = set(re.findall(r'[^_]"(ANYMOLE_[A-Z_]+[A-Z])"', text))
    assert read == OWN_VARIABLES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("speed = 1", "no command has an option speed"),
        ("[fly]\nx = 1", "there is no command fly"),
        ("[run]\nspeed = 1", "has no option speed"),
        ("[run]\nforce = 'yes'", "takes true or false"),
        ("[run]\nkeys = {a = 1}", "is no text"),
        ("[run", "no valid TOML"),
    ],
)
def test_wrong_files_are_named(call: Call, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "user.toml").write_text(text)
    code, _, err = call("runs")
    assert code == 2
    assert words in err
    assert "user.toml" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "option", "allowed"),
    [  # read by the command line library, by us as text, by us as a word, and by what the command calls
        (("run", "x.usda"), "dry-run", "give true or false"),
        (("submit", "x.usda"), "jobs", "give a whole number, 1 or more"),
        (("models", "memory"), "card", "give a number"),
        (("tui",), "pictures", "choose auto, kitty, sixel, blocks or ascii"),
        (("run", "x.usda"), "seed", "is no whole number"),
        (("run", "x.usda"), "author", "choose rebind, over, variant or flat"),
        (("submit", "x.usda"), "to", "choose openjd, slurm"),
        (("check", "x.usda"), "for", "blender, three"),
    ],
)
def test_a_wrong_value_from_elsewhere_says_from_where_and_what_is_allowed(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    option: str,
    allowed: str,
) -> None:
    command = tuple(itertools.takewhile(lambda word: "." not in word, words))
    key = option.replace("-", "_")
    variable = "_".join(("ANYMOLE", *command, key)).upper()
    table = f"[{'.'.join(command)}]"
    monkeypatch.setenv(variable, "nonsense")
    code, _, err = call(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert "nonsense" in err
    assert allowed in err
    assert err.endswith(f"(--{option} from {variable}).\n")
    monkeypatch.delenv(variable)
    if option == "dry-run":  # what a flag of a file has to be is said before
        return
    (tmp_path / "user.toml").write_text(f"{table}\n{key} = 'nonsense'\n")
    code, _, err = call(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith(f"(--{option} from {table} {key} in {tmp_path / 'user.toml'}).\n")
    assert call(*words, f"--{option}", "gibberish")[2].endswith(f"(--{option}).\n")


def test_a_wrong_default_of_the_form_says_where_it_comes_from(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user.toml").write_text("prior = 'nope'\n[run]\nseed = 3\n")
    with pytest.raises(ConfigError, match=r"^prior in .*user.toml: prior is 'nope'; choose auto"):
        run_defaults()
    (tmp_path / "user.toml").write_text("[run]\nseed = 3\n")
    assert run_defaults() == {"seed": 3}
    monkeypatch.setenv("ANYMOLE_RUN_SEED", "nope")
    with pytest.raises(ConfigError, match=r"^ANYMOLE_RUN_SEED: seed 'nope' is no whole number"):
        run_defaults()


def test_files_are_not_needed_to_get_help(call: Call, tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_text("[run")
    assert call("--help")[0] == 0


EVENTS = [
    RunStarted("run", {}, {"fill": 1.0, "check": 1.0}),
    Note("warning", "a\nopenjd_fail: forged \x1b[2J"),
    StageStarted("fill"),
    StageProgress("fill", 1, 2),
    StageFinished("fill", 1.0),
    StageFinished("check", 1.0),
]


def told(kind: str, last: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    with progress_view.progress_view(kind) as view:  # type: ignore[arg-type]
        for at, event in enumerate([*EVENTS, last]):
            view(event, float(at))  # type: ignore[arg-type]
    return stream.getvalue().splitlines()


def test_openjd_lines_stand_at_column_0_never_fall_and_are_not_forged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = told("openjd", RunFailed("no\nroom", 1), monkeypatch)
    percents = [float(line.split()[1]) for line in lines if line.startswith("openjd_progress: ")]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [line for line in lines if line.startswith("openjd_fail")] == ["openjd_fail: no\\nroom"]
    assert "openjd_status: fill" in lines
    assert "\x1b" not in "".join(lines)


def test_json_progress_is_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told("json", RunFinished("a", "b", {}, 1.0), monkeypatch)
    assert [json.loads(line)["event"] for line in lines] == [type(e).__name__ for e in EVENTS] + [
        "RunFinished"
    ]


def test_without_progress_warnings_alone_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told("none", Note("info", "all is well"), monkeypatch) == []
    said = capsys.readouterr().err
    assert said.startswith("warning: a")
    assert said.count("\n") == 1


def test_auto_speaks_openjd_in_its_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress_view.OPENJD_ENV, "/tmp")
    assert progress_view.progress_kind("auto") == "openjd"
    monkeypatch.delenv(progress_view.OPENJD_ENV)
    assert progress_view.progress_kind("auto") in ("plain", "rich")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (61, "1.0 min"), (7200, "2.0 h"), (1e6, "12 d")])
def test_time_spans_have_a_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_detached_run_is_listed_attached_to_and_logged(call: Call, data: Path, tmp_path: Path) -> None:
    stage = data / "edge" / "fox_survey_keys.usda"
    code, out, _ = call("run", stage, "--out", tmp_path / "run", "--no-preview", "--detach", "--json")
    assert code == 0
    name = json.loads(out)["id"]
    code, out, err = call("attach", name, "--json")
    assert code == 0, err
    assert Path(json.loads(out)["result"]).exists()
    (run,) = json.loads(call("runs", "--json")[1])["runs"]
    assert (run["id"], run["state"]) == (name, "done")
    code, out, _ = call("logs", name)
    assert "RunFinished" in out
    assert call("cancel", name)[0] == 2
    assert call("clean", name)[0] == 0
    assert call("resume", tmp_path / "run")[0] == 0


def test_run_in_this_process_is_found_by_its_id(call: Call, data: Path, tmp_path: Path) -> None:
    stage = data / "edge" / "fox_survey_keys.usda"
    (tmp_path / "elsewhere").mkdir()
    code, _, err = call("run", stage, "--out", tmp_path / "elsewhere" / "run", *PLAIN_RUN)
    assert code == 0, err
    (run,) = json.loads(call("runs", "--json")[1])["runs"]
    code, out, err = call("attach", run["id"], "--json")
    assert code == 0, err
    assert Path(json.loads(out)["result"]).is_relative_to(tmp_path / "elsewhere")


def test_commands_of_a_run_folder(call: Call, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    assert call("run", data / "edge" / "fox_survey_keys.usda", "--out", folder, *PLAIN_RUN)[0] == 0
    code, out, err = call("check", folder, "--json")
    assert (code, json.loads(out)["file"]) == (0, str(folder / "fox_survey_keys_inbetween.usda")), err
    assert call("take", folder, "--gap", 1, "--reject")[0] == 0
    code, out, _ = call("take", folder, "--gap", 1, "--accept")
    assert (code, out.endswith("take 1, accepted\n")) == (0, True)
    (folder / "state.json").write_text("{")
    assert f"'anymole resume '{folder}'' goes on" in call("attach", folder)[2]
    (folder / "state.json").unlink()
    code, _, err = call("attach", folder)
    assert (code, "has lost its state.json" in err) == (2, True)
    assert call("resume", folder, "--here")[0] == 0


def test_variables_are_compared_without_case_and_shown_with_the_settings(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_RUN_seed", "3")
    code, _, err = call("config", "show", "run")
    assert (code, "ANYMOLE_RUN_seed is set and is no setting; did you mean ANYMOLE_RUN_SEED?" in err) == (
        0,
        True,
    )
    assert err.count("ANYMOLE_RUN_seed") == 1
    assert "ANYMOLE_RUN_seed" not in call("config", "show", "inspect")[2]


def test_attaching_to_a_failed_run_ends_as_it_did(call: Call, data: Path, tmp_path: Path) -> None:
    stage = shutil.copy(data / "edge" / "fox_survey_keys.usda", tmp_path)  # its reference is missing here
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_text(f"stage = '{stage}'\n")
    first, _, _ = call("resume", tmp_path / "run")
    code, out, err = call("attach", tmp_path / "run", "--json")
    assert first == code == 4
    assert json.loads(out)["exit_code"] == 4
    assert "fox.usdc" in err


@pytest.mark.slow
def test_what_resume_changes_is_typed_and_nothing_else(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project that authors flat files would otherwise change a run that was not made so."""
    stage = shutil.copy(data / "cases" / "usd" / "baked_channel.usda", tmp_path)
    monkeypatch.setenv("ANYMOLE_RESUME_AUTHOR", "variant")
    made = ("run", stage, "--prior", "slerp", "--no-preview", "--no-report", "--out", "out")
    assert call(*made)[0] == 0
    (tmp_path / "user.toml").write_text("author = 'flat'\n")
    assert call("resume", "out")[0] == 0
    assert tomllib.loads(Path("out/run.toml").read_text())["author"] == "rebind"
    code, _, err = call("resume", "out", "--author", "fla")
    assert code == 2
    assert err.endswith("choose rebind, over, variant or flat (--author).\n")
    code, out, _ = call("resume", "out", "--author", "over", "--json")
    assert code == 0
    assert tomllib.loads(Path("out/run.toml").read_text())["author"] == "over"
    assert json.loads(out)["result"].endswith("baked_channel_inbetween.usda")


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_user_file_that_is_not_there_is_refused(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ANYMOLE_CONFIG", str(tmp_path / name))
    code, _, err = call("runs")
    assert code == 2
    assert "ANYMOLE_CONFIG names" in err
    monkeypatch.setenv("ANYMOLE_CONFIG", "")
    assert call("runs")[0] == 0
