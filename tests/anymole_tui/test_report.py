"""Results in words."""

from pathlib import Path
from typing import Any

import pytest

from anymole_tui.report import TOUR, run_report
from engine.pipeline import RunResult

SCORES: dict[str, Any] = {
    "frames": 12,
    "key_error": 0.0,
    "self_test": {"expected_l2p": None, "choices": []},
    "video_test": None,
    "confidence": {"mean": 0.97, "joints": [], "frames": []},
    "takes": [{}],
    "truth": None,
}


@pytest.mark.parametrize(
    ("prior", "model", "tour"),
    [("video", "tiny", True), ("video", "dynamicrafter", False), ("learned", "tiny", False)],
)
def test_confidence_of_the_tiny_model_is_said_to_be_a_tour(
    tmp_path: Path, prior: str, model: str, tour: bool
) -> None:
    (tmp_path / "run.toml").write_text(f'stage = "shot.usda"\nmodel = "{model}"\n')
    result = RunResult("a.usda", "a_anim.usdc", str(tmp_path), (), {"/Hero": SCORES | {"prior": prior}})
    assert (TOUR in run_report(result)) is tour
