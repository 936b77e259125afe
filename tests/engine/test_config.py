"""Settings: round trip, defaults, all problems in one message."""

from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from engine.config import RunConfig, config_from_mapping, read_config
from engine.errors import ConfigError

times = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(
    stage=st.text(min_size=1, max_size=20).filter(lambda t: "\x00" not in t),
    keys=st.lists(times, max_size=4),
    context=st.lists(st.tuples(times, times), max_size=2),
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
    for words in ("no stage", "--seed -1", "finite"):
        assert words in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"stage": "a.usd", "engine": "magic", "prior": "best", "author": ["over"]})
    for words in ("--engine 'magic'", "--prior 'best'", "--author ['over']", "choose rebind, over, variant"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stage": "a.usd", "speed": 3}, "unknown settings 'speed'"),
        ({"stage": 3}, "is no text"),
        ({"stage": "a.usd", "keys": ["x"]}, "is no number"),
        ({"stage": "a.usd", "keys": [True]}, "is no number"),
        ({"stage": "a.usd", "context": [[1, 2, 3]]}, "wrong type"),
        ({"stage": "a.usd", "context": 5}, "wrong type"),
        ({"stage": "a.usd", "seed": "1"}, "seed = '1' is no int"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_from_mapping(values)


def test_unreadable_and_broken_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "missing.toml")
    (tmp_path / "broken.toml").write_text("stage = ")
    with pytest.raises(ConfigError, match="no valid TOML"):
        read_config(tmp_path / "broken.toml")
