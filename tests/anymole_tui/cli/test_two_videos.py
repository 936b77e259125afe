"""``anymole mimic`` with two videos of one motion, each with its camera, from end to end at small size."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

from engine import video_pipeline
from engine.mimic.settings import MimicSettings
from tests.command_line import said
from tests.engine.few import Few

BOXER = Path(__file__).parents[3] / "examples" / "boxer" / "boxer.usdc"
START, END = 216, 236
VIEWS = ("front", "left")


@dataclass(frozen=True)
class Scored:
    """L2P of the hidden frames by what filled them."""

    video: float
    slerp: float


def mimicked(*arguments: object, out: Path) -> Scored:
    """Fit the boxer to videos, and compare with his true motion."""
    fit = ("--context", "156:216", "--keys", f"{START},{END}", "--prior", "slerp", "--video-fps", 15)
    outcome = said("mimic", BOXER, *fit, *arguments, "--no-preview", "--no-report", "--out", out)
    assert outcome.code == 0, outcome.err
    (scores,) = json.loads((out / "report.json").read_text())["scores"].values()
    assert scores["prior"] == "video"
    return Scored(*(scores["truth"][name]["l2p"] for name in ("video", "slerp")))


@pytest.mark.slow
def test_a_second_video_brings_the_joints_nearer_to_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(video_pipeline, "EstimatorSettings", Few)
    quick = partial(MimicSettings, heights=(24, 48), steps=6, joint_weight=0.0)  # by pictures alone
    monkeypatch.setattr(video_pipeline, "MimicSettings", quick)
    for view in VIEWS:
        drawn = ("--out", tmp_path / view, "--times", f"{START}:{END}:2", "--views", view, "--size", "64x96")
        assert said("render", BOXER, *drawn).code == 0
    front, left = ((tmp_path / view / view, tmp_path / view / "render.json") for view in VIEWS)
    first = ("--video", front[0], "--camera", front[1])
    one = mimicked(*first, out=tmp_path / "one")
    two = mimicked(*first, "--second-video", left[0], "--second-camera", left[1], out=tmp_path / "two")
    assert two.video < one.video < 0.5 * one.slerp
