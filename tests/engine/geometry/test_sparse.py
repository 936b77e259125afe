"""Sparse samples, as UsdSkel shows them."""

from pathlib import Path

import numpy as np
import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.geometry import metrics, skeleton
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage, read_shot

FOX = "/Fox/Skeleton"


def test_sparse_samples_keep_the_motion_within_the_tolerance(data: Path, tmp_path: Path) -> None:
    source = str(data / "edge" / "fox_survey_keys.usda")

    def run(name: str, samples: str) -> str:
        config = RunConfig(
            stage=source,
            out=str(tmp_path / name),
            preview=False,
            report=False,
            prior="spline",
            samples=samples,
        )
        return engine_run.run(config).result

    full, sparse = run("full", "full"), run("sparse", "sparse:0.5")
    character = read_shot(full, meshes=False).characters[0]
    dense, few = read_motion(open_stage(full), FOX), read_motion(open_stage(sparse), FOX)
    assert len(few.times) < 0.7 * len(dense.times)
    shown = read_motion(open_stage(sparse), FOX, dense.times)
    apart = skeleton.joint_positions(character, dense) - skeleton.joint_positions(character, shown)
    assert np.linalg.norm(apart, axis=-1).max() <= 0.005 * metrics.height(character, dense, 0)
    keys = np.array([0, 12, 24, 36, 48, 60, 72, 82], float)
    at_keys = (
        motion.at(np.isin(motion.times, keys)) for motion in (few, read_motion(open_stage(source), FOX))
    )
    first, second = at_keys
    np.testing.assert_array_equal(np.abs(first.rotations), np.abs(second.rotations))
    stage = open_stage(sparse)
    layers = [layer.customLayerData.get("anymole", {}) for layer in stage.GetLayerStack(False)]
    assert any("breakdowns" in found for found in layers)


def test_pinned_joints_stay_where_they_are_however_few_samples_are_wanted(data: Path, tmp_path: Path) -> None:
    config = RunConfig(
        stage=str(data / "edge" / "fox_survey_keys.usda"),
        out=str(tmp_path / "run"),
        preview=False,
        report=False,
        prior="spline",
        samples="sparse:5",
        pin=("b_Head_05@40:46",),
    )
    result = engine_run.run(config).result
    character = read_shot(result, meshes=False).characters[0]
    shown = read_motion(open_stage(result), FOX, np.arange(40.0, 47.0))
    joint = next(n for n, path in enumerate(character.joints) if path.endswith("b_Head_05"))
    path = skeleton.joint_positions(character, shown)[:, joint]
    assert np.linalg.norm(path - path[0], axis=-1).max() < 0.001 * metrics.height(character, shown, 40)


@pytest.mark.parametrize("text", ["few", "sparse:0", "sparse:x", "sparse:nan", "full:1"])
def test_samples_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write full, sparse"):
        RunConfig(stage="shot.usda", samples=text)
