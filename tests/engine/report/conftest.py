"""A run that the tests of reports share."""

import shutil
from pathlib import Path

import pytest

from engine.config import RunConfig
from engine.run import run

HOSTILE = "<img src=x onerror=alert(1)> \"&'"
"""Name of a folder, and part of a setting."""
STEM = "Tom & 'Jerry'"


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two gaps with two takes and a truth, below a folder with a hostile name; no pictures."""
    data = Path(__file__).parents[2] / "data"
    place = tmp_path_factory.mktemp("reported") / HOSTILE
    shutil.copytree(data / "fox", place / "fox")
    (place / "edge").mkdir()
    stage = place / "edge" / f"{STEM}.usda"
    shutil.copy(data / "edge" / "fox_survey_keys.usda", stage)
    truth = str(place / "fox" / "fox.usdc")
    config = RunConfig(
        stage=str(stage),
        keys=(0.0, 12.0, 24.0),
        truth=truth,
        takes=2,
        prompt=f"</script>{HOSTILE} \u202e",
        preview=False,
        out=str(place / "run"),
    )
    result = run(config)
    assert result.report == str(place / "run" / "report.html")
    return place / "run"
