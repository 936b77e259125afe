"""What a result is compared with is on disk and is what it says."""

from pathlib import Path

import numpy as np
import pytest

from engine.config import RunConfig
from engine.errors import DataError
from engine.evaluation.comparison import make_slerp, read_comparison
from engine.run import run
from engine.runs.takes import choose_take
from usd_io.author.takes import show_take
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage

SKELETON = "/Fox/Skeleton"


@pytest.fixture(scope="module")
def fox_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fox with a gap of a second, filled in two takes."""
    stage = Path(__file__).parents[2] / "data" / "fox" / "fox_survey.usda"
    out = tmp_path_factory.mktemp("runs") / "fox"
    config = RunConfig(stage=str(stage), keys=(30, 50), prior="spline", takes=2, preview=False, out=str(out))
    run(config)
    return out


def test_sides_are_the_original_slerp_and_the_takes(fox_run: Path) -> None:
    found = read_comparison(fox_run)
    assert [side.name for side in found.sides] == ["original", "slerp", "take 1", "take 2", "result"]
    assert found.active == 1
    assert found.time_codes_per_second == 24


def test_slerp_is_made_between_the_same_keys(fox_run: Path, tmp_path: Path) -> None:
    slerp = open_stage(make_slerp(fox_run, tmp_path))
    times = np.array([30.0, 40.0, 50.0])
    original = read_motion(open_stage(read_comparison(fox_run).sides[0].stage), SKELETON, times)
    made = read_motion(slerp, SKELETON, times)
    assert np.array_equal(made.rotations[[0, 2]], original.rotations[[0, 2]])
    assert not np.allclose(made.rotations[1], original.rotations[1], atol=1e-3)


def test_take_is_shown_without_being_kept(fox_run: Path) -> None:
    result = read_comparison(fox_run).result.result
    before = Path(result).read_bytes()
    stage = open_stage(result)
    first = read_motion(stage, SKELETON, np.array([40.0]))
    show_take(stage, 2)
    second = read_motion(stage, SKELETON, np.array([40.0]))
    assert not np.array_equal(first.rotations, second.rotations)
    assert Path(result).read_bytes() == before
    assert choose_take(result).active == 1


def test_folder_without_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="report"):
        read_comparison(tmp_path)
