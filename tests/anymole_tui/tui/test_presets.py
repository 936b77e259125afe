"""Presets: settings under a name, without those of one shot."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from anymole_tui.tui.state import presets
from engine.config import RunConfig
from engine.errors import ConfigError, EngineError


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


def test_no_preset_holds_a_path_or_time_of_a_shot(preset_dir: Path) -> None:
    of_a_shot = {"video": "clip.mp4", "video_fps": 30.0, "video_offset": -1.5, "camera": "/World/Cam"}
    config = RunConfig(
        stage="a.usda", skeletons=("/A",), context=((0, 9),), keys=(12,), lock=("Head",), out="b", truth="c",
        force=True, prompt="a fox runs", prior="spline", **of_a_shot,  # type: ignore[arg-type]
    )  # fmt: skip
    path = presets.save_preset("mine", config)
    assert tomllib.loads(path.read_text()) == {"prior": "spline"}
