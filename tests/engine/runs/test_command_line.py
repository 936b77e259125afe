"""The settings of a run as a form and as a command: nothing is lost on the way to the engine."""

import shlex
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from anymole_tui.cli import app as cli
from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.render_command.config import RenderConfig
from engine.runs.command_line import run_command
from engine.settings.setting import Field, fields_of, limits_text
from engine.settings.typed import from_text, to_text


@pytest.mark.parametrize(
    "field", [*fields_of(RunConfig), *fields_of(RenderConfig)], ids=lambda field: field.name
)
def test_every_default_reads_back(field: Field) -> None:
    if field.default is not None:
        assert from_text(field, to_text(field, field.default)) == field.default


def test_choices_are_those_of_the_type() -> None:
    (prior,) = [field for field in fields_of(RunConfig) if field.name == "prior"]
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
        ("lock", r"a\,b, c\\", ("a,b", "c\\")),
    ],
)
def test_typed_text_is_understood(name: str, text: str, value: Any) -> None:
    (field,) = [field for field in fields_of(RunConfig) if field.name == name]
    assert from_text(field, text) == value


@pytest.mark.parametrize(("name", "text"), [("keys", "x"), ("context", "5"), ("seed", "1.5"), ("seed", "")])
def test_nonsense_is_refused_with_the_name(name: str, text: str) -> None:
    (field,) = [field for field in fields_of(RunConfig) if field.name == name]
    with pytest.raises(ConfigError, match=f"{name} '") as caught:
        from_text(field, text)
    assert caught.value.settings == (name,)


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


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.text(
    "-ab ,\\'\"$`;&|<>*~\n", max_size=8
)
names = texts.filter(bool)
times = st.floats(allow_nan=False, allow_infinity=False, width=64)


def values(field: Field) -> st.SearchStrategy[Any]:
    """All that a setting may be."""
    setting = field.setting
    if field.name == "few_step_lora":
        return st.lists(names.map(lambda name: f"{name}.safetensors"), max_size=1).map(tuple)
    match field.kind:
        case "choice":
            return st.sampled_from(field.choices)
        case "flag":
            return st.booleans()
        case "integer":
            return st.integers(int(setting.least or 0), int(setting.most or 2**62))
        case "number":
            return st.floats(setting.least, setting.most, allow_nan=False, allow_infinity=False)
        case "names":
            return st.lists(names, max_size=3).map(tuple)
        case "times":
            return st.lists(times, max_size=3).map(tuple)
        case "ranges":
            return st.lists(st.tuples(times, times), max_size=2).map(tuple)
        case "size":
            return st.sampled_from([(0, 0), (64, 96), (320, 512)])
    return texts.filter(bool) if setting.argument else texts


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """Any run that may be: each setting at its default or at any value."""
    made = {
        f.name: draw(values(f)) for f in fields_of(RunConfig) if f.setting.argument or draw(st.booleans())
    }
    while True:
        try:
            return RunConfig(**made)
        except ConfigError as error:  # settings that cannot go together: they have their defaults
            apart = {*error.settings} & {*made} - {"stage"}
            if not apart:
                reject()
            for name in apart:
                del made[name]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(config=configs(), elsewhere=st.sets(st.sampled_from([f.name for f in fields(RunConfig)])))
@example(
    config=RunConfig("-s", video="v", engine="video", video_fps=24.0, video_offset=-0.5), elsewhere=set()
)
@example(config=RunConfig("s", video="v", engine="video", model="tiny"), elsewhere={"seed", "keys"})
@example(config=RunConfig("s", video="v"), elsewhere={"context", "skeletons", "force"})
def test_a_copied_command_means_the_same(config: RunConfig, elsewhere: set[str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        command = run_command(config, frozenset(elsewhere))
        assert understood(command, monkeypatch) == config
        other = {"seed": "77", "prior": "hold", "force": "1", "keys": "1,2", "skeleton": "/A", "preview": "0"}
        for (
            option,
            text,
        ) in other.items():  # what the environment says here does not count for what is written out
            if option in elsewhere or (option == "skeleton" and "skeletons" in elsewhere):
                monkeypatch.setenv(f"ANYMOLE_{command.split()[1].upper()}_{option.upper()}", text)
        assert understood(command, monkeypatch) == config


def test_mimic_is_copied_where_it_can_say_all() -> None:
    fit = RunConfig("s.usda", engine="video", video="clip.mp4", video_fps=24.0)
    assert run_command(fit) == "anymole mimic s.usda --video clip.mp4 --video-fps 24"
    assert run_command(RunConfig("s.usda", video="clip.mp4")) == "anymole run s.usda --video clip.mp4"


def test_limits_are_said_in_words() -> None:
    said = {field.name: limits_text(field.setting) for field in fields_of(RunConfig)}
    assert (said["takes"], said["seed"], said["out"]) == ("1 to 100", "0 or more", "")


def test_defaults_are_left_out_of_the_command() -> None:
    assert run_command(RunConfig(stage="a b.usda")) == "anymole run 'a b.usda'"
