"""The settings of a run as a form and as a command: nothing is lost on the way to the engine."""

import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymole_tui.cli import app as cli
from anymole_tui.command_line import run_command
from anymole_tui.fields import Field, from_text, run_fields, to_text
from anymole_tui.tui import presets
from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, EngineError


@pytest.mark.parametrize("field", run_fields(), ids=lambda field: field.name)
def test_every_setting_has_help_and_reads_back(field: Field) -> None:
    assert field.help
    assert from_text(field, to_text(field, field.default)) == field.default


def test_no_setting_is_missing_from_the_form() -> None:
    assert [field.name for field in run_fields()] == [field.name for field in fields(RunConfig)]


def test_choices_are_those_of_the_type() -> None:
    (prior,) = [field for field in run_fields() if field.name == "prior"]
    assert prior.kind == "choice"
    assert prior.choices[0] == "auto"
    assert "slerp" in prior.choices


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("keys", "1, 5,9.5", (1.0, 5.0, 9.5)),
        ("keys", "0:10:5", (0.0, 5.0, 10.0)),
        ("context", "0:60, 90:120", ((0.0, 60.0), (90.0, 120.0))),
        ("lock", "b_Tail*, Head", ("b_Tail*", "Head")),
        ("seed", " 7 ", 7),
    ],
)
def test_typed_text_is_understood(name: str, text: str, value: Any) -> None:
    (field,) = [field for field in run_fields() if field.name == name]
    assert from_text(field, text) == value


@pytest.mark.parametrize(("name", "text"), [("keys", "x"), ("context", "5"), ("seed", "1.5"), ("seed", "")])
def test_nonsense_is_refused_with_the_name(name: str, text: str) -> None:
    (field,) = [field for field in run_fields() if field.name == name]
    with pytest.raises(ConfigError, match=f"--{name}"):
        from_text(field, text)


def understood(command: str, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """The settings that ``anymole`` takes a command for."""
    taken: list[RunConfig] = []

    def catch(config: RunConfig) -> None:
        taken.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_run, "plan", catch)
    monkeypatch.setenv("ANYMOLE_CONFIG", "")
    with pytest.raises(SystemExit):
        cli.main(shlex.split(command)[1:])
    (config,) = taken
    return config


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
names = texts.filter(lambda text: "," not in text and text == text.strip())
times = st.floats(-1e6, 1e6).map(lambda time: round(time, 3))


@settings(max_examples=25, deadline=None)
@given(
    stage=texts,
    skeletons=st.lists(texts, max_size=2),
    lock=st.lists(names, max_size=3),
    keys=st.lists(times, max_size=3),
    context=st.lists(st.tuples(times, times), max_size=2),
    seed=st.integers(0, 2**62),
    preview=st.booleans(),
    force=st.booleans(),
    out=st.text("ab -'\"$`\\;&|<>*~\n", max_size=8),
)
def test_copied_command_means_the_same(**values: Any) -> None:
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    config = RunConfig(prior="slerp", **made)
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert understood(run_command(config), monkeypatch) == config


def test_defaults_are_left_out_of_the_command() -> None:
    assert run_command(RunConfig(stage="a b.usda")) == "anymole run 'a b.usda'"


@pytest.fixture
def preset_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(presets.PRESET_DIR, str(tmp_path / "presets"))
    return tmp_path / "presets"


def test_preset_goes_onto_another_shot(preset_dir: Path) -> None:
    presets.save_preset("calm", RunConfig(stage="a.usda", prior="spline", seed=3, keys=(1, 2), lock=("x",)))
    other = RunConfig(stage="b.usda", keys=(7, 9), prior="hold", author="over", out="there")
    assert presets.preset_names() == ["calm"]
    assert presets.load_preset("calm", other) == replace(other, prior="spline", seed=3, author="rebind")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 90, "a\nb"])
def test_preset_of_no_plain_name_is_refused(preset_dir: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name"):
        presets.save_preset(name, RunConfig(stage="a.usda"))


def test_preset_that_names_a_shot_is_refused(preset_dir: Path) -> None:
    preset_dir.mkdir()
    (preset_dir / "bad.toml").write_text('stage = "other.usda"\n')
    with pytest.raises(ConfigError, match="belongs to one shot"):
        presets.load_preset("bad", RunConfig(stage="a.usda"))


def test_preset_that_cannot_be_written_is_said(preset_dir: Path) -> None:
    preset_dir.write_text("a file")
    with pytest.raises(EngineError, match="cannot be written"):
        presets.save_preset("x", RunConfig(stage="a.usda", seed=1))
