"""Settings: round trip, defaults, all problems in one message."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from engine.config import RunConfig, config_from_mapping, deciding, of_a_shot, read_config
from engine.errors import ConfigError
from engine.pipeline import STAGE_WEIGHTS
from engine.settings.setting import fields_of
from engine.video_pipeline import SELF_TEST, VIDEO_WEIGHTS

times = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(
    stage=st.text(min_size=1, max_size=20).filter(lambda t: "\x00" not in t),
    keys=st.lists(times, max_size=4),
    context=st.lists(
        st.tuples(times, times).map(sorted).map(tuple).filter(lambda c: c[0] < c[1]), max_size=2
    ),
    seed=st.integers(0, 2**40),
    force=st.booleans(),
)
def test_settings_survive_toml(
    tmp_path_factory: pytest.TempPathFactory,
    stage: str,
    keys: list[float],
    context: list[tuple[float, float]],
    seed: int,
    force: bool,
) -> None:
    config = RunConfig(stage=stage, keys=tuple(keys), context=tuple(context), seed=seed, force=force)
    path = tmp_path_factory.mktemp("config") / "run.toml"
    path.write_bytes(tomli_w.dumps(config.to_dict()).encode("utf-8", "surrogatepass"))
    assert read_config(path) == config


def test_all_problems_come_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(stage="", seed=-1, keys=(float("nan"),))
    for words in ("no stage", "seed is -1; choose 0 or more", "keys is nan; give a list of finite"):
        assert words in str(caught.value)
    assert set(caught.value.settings) == {"stage", "seed", "keys"}
    with pytest.raises(ConfigError, match=f"choose {2**63 - 1} or less"):
        RunConfig("a.usda", seed=2**63)
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"stage": "a.usd", "engine": "magic", "prior": "best", "author": ["over"]})
    for words in (
        "engine is 'magic'",
        "prior is 'best'",
        "author is ['over']",
        "choose rebind, over, variant or flat",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stage": "a.usd", "speed": 3}, "unknown settings 'speed'"),
        ({"stage": 3}, "stage is 3; give text"),
        ({"stage": "a\0b"}, "give text"),
        ({"stage": "a.usd", "keys": ["x"]}, "keys is .*; give a list of finite numbers"),
        ({"stage": "a.usd", "keys": [True]}, "keys is .*; give a list of finite numbers"),
        ({"stage": "a.usd", "keys": "1,2"}, "keys is '1,2'; give a list of finite numbers"),
        ({"stage": "a.usd", "keys": 5}, "keys is 5; give a list"),
        ({"stage": "a.usd", "lock": "Head"}, "lock is 'Head'; give a list of texts"),
        ({"stage": "a.usd", "lock": [""]}, "lock has an empty entry; give names"),
        ({"stage": "a.usd", "context": [[1, 2, 3]]}, "context is .*; give a list of pairs"),
        ({"stage": "a.usd", "context": [(5, 1)]}, "the context 5:1 is empty"),
        ({"stage": "a.usd", "context": 5}, "context is 5; give a list of pairs"),
        ({"stage": "a.usd", "seed": "1"}, "seed is '1'; give a whole number"),
        ({"stage": "a.usd", "seed": True}, "seed is True; give a whole number"),
        ({"stage": "a.usd", "force": "no"}, "force is 'no'; give true or false"),
        ({"stage": "a.usd", "guidance": 1000.0}, "guidance is 1000; choose 0 to 100"),
        ({"stage": "a.usd", "guidance": float("nan")}, "guidance is nan; choose 0 to 100"),
        ({"stage": "a.usd", "takes": 0}, "takes is 0; choose 1 to 100"),
        ({"stage": "a.usd", "steps": 5000}, "steps is 5000; choose 0 to 1000"),
        ({"stage": "a.usd", "video_offset": float("inf")}, "video_offset is inf; give a finite number"),
        ({"stage": "a.usd", "author": "over", "takes": 2}, "room for one take"),
        ({"stage": "a.usd", "video": "v", "takes": 2}, "one take, not 2"),
        ({"stage": "a.usd", "video": "v", "engine": "motion"}, "no use of a video"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        config_from_mapping(values)
    assert "--" not in str(caught.value)
    if "speed" not in values:
        with pytest.raises(ConfigError, match=words):
            RunConfig(**values)  # type: ignore[arg-type]


def test_values_are_put_into_their_declared_types() -> None:
    config = RunConfig(
        stage=Path("a.usda"),  # type: ignore[arg-type]
        keys=[1, np.float32(2.5)],  # type: ignore[arg-type]
        context=np.array([[1, 2]]),  # type: ignore[arg-type]
        seed=np.int64(3),
        guidance=7,
    )
    assert config == RunConfig("a.usda", keys=(1.0, 2.5), context=((1.0, 2.0),), seed=3, guidance=7.0)
    assert [type(config.stage), type(config.seed), type(config.guidance)] == [str, int, float]
    assert tomli_w.dumps(config.to_dict())


def test_every_setting_says_what_it_is() -> None:
    for field in fields_of(RunConfig):
        assert field.setting.help.endswith("."), field.name
        assert field.setting.group, field.name


def test_settings_of_one_shot_are_its_paths_times_and_prims() -> None:
    stage = {"stage", "skeletons", "context", "keys", "lock", "pin"}
    video = {"video", "video_fps", "video_offset", "second_video", "second_camera"}
    assert of_a_shot() == stage | video | {"camera", "prompt", "out", "truth", "force"}


def test_every_setting_counts_from_a_stage_that_there_is_or_from_none() -> None:
    known = {*STAGE_WEIGHTS, *VIDEO_WEIGHTS, SELF_TEST}
    assert {field.setting.counts_from for field in fields_of(RunConfig)} <= {*known, ""}


def test_where_files_go_does_not_decide_what_is_in_them() -> None:
    config = RunConfig("a.usda", prior="slerp", out="there", force=True)
    assert deciding(config) == {
        name: value for name, value in config.to_dict().items() if name not in ("out", "force")
    }


def test_unreadable_and_broken_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "missing.toml")
    (tmp_path / "broken.toml").write_text("stage = ")
    with pytest.raises(ConfigError, match="no valid TOML"):
        read_config(tmp_path / "broken.toml")
    (tmp_path / "noise.toml").write_bytes(b"a = 1\n\xc8")
    with pytest.raises(
        ConfigError, match=r"noise\.toml is no text in UTF-8 \(its byte 7 .*; save it as UTF-8, or put"
    ):
        read_config(tmp_path / "noise.toml")


def test_a_control_is_for_models_that_take_one_and_has_a_strength_only_then() -> None:
    RunConfig("a.usda", model="wan-vace", control="depth", control_strength=0.4)
    with pytest.raises(
        ConfigError, match=r"tiny takes no control; choose control none or the model wan-vace,"
    ):
        RunConfig("a.usda", model="tiny", control="pose")
    with pytest.raises(ConfigError, match="in the middle of a gap"):
        RunConfig("a.usda", model="ltx", control="grey")
    with pytest.raises(ConfigError, match="a given video is not generated"):
        RunConfig("a.usda", model="wan-vace", control="grey", video="v")
    with pytest.raises(ConfigError, match="control none has no strength"):
        RunConfig("a.usda", control_strength=0.4)
    with pytest.raises(ConfigError, match="control_strength is 2"):
        RunConfig("a.usda", model="wan-vace", control="depth", control_strength=2)


def test_the_engine_is_tested_where_a_control_has_no_strength() -> None:
    control = RunConfig("a.usda", model="wan-vace", control="depth")
    assert control.is_tested
    assert not replace(control, control_strength=0.4).is_tested
    assert not RunConfig("a.usda").is_tested
    assert RunConfig("a.usda", self_test=True).is_tested
