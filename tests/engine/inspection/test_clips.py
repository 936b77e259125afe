"""Motion to be looked at: ranges, keys, gaps and curves; and the thumbnails that a process of its own draws."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from engine.inspection.clips import read_clips, rotation_curve
from engine.workers.protocol import serve
from engine.workers.thumbnails import VIEWS, answer
from usd_io.errors import StageReadError
from usd_io.read.stage import open_stage


def test_a_clip_has_the_keys_and_gaps_that_a_run_would_find(data: Path) -> None:
    (clip,), left_out = read_clips(open_stage(data / "edge" / "fox_survey_keys.usda"))
    assert clip.keys == (0, 12, 24, 36, 48, 60, 72, 82)
    assert (clip.start, clip.end, clip.dense, clip.note, left_out) == (0, 82, (), "", ())
    assert clip.gaps[0] == (0, 12)
    assert len(clip.gaps) == 7


def test_a_finished_clip_says_why_nothing_is_to_be_filled(data: Path) -> None:
    (clip,), _ = read_clips(open_stage(data / "fox" / "fox_survey.usda"))
    assert clip.gaps == ()
    assert clip.dense == ((0.0, 82.0),)
    assert "nothing to fill" in clip.note


def test_curves_are_degrees_away_from_the_mean_and_continuous(data: Path) -> None:
    (clip,), _ = read_clips(open_stage(data / "fox" / "fox_survey.usda"))
    curves = np.stack([rotation_curve(clip, j) for j in range(len(clip.character.joints))], axis=1)
    assert curves.shape == (83, 24, 3)
    assert np.abs(curves.mean(0)).max() < 2
    assert 30 < np.abs(curves).max() < 180
    assert np.abs(np.diff(curves, axis=0)).max() < 30


def test_a_stage_without_motion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.usda").write_text('#usda 1.0\ndef Xform "A" {}\n')
    with pytest.raises(StageReadError, match="no skeleton that moves"):
        read_clips(open_stage(tmp_path / "empty.usda"))


def test_thumbnails_are_drawn_from_every_side_and_errors_are_sentences(data: Path, tmp_path: Path) -> None:
    stage = str(data / "edge" / "fox_survey_keys.usda")
    common = {"stage": stage, "height": 24, "width": 40, "background": [0.0, 0.0, 0.0]}
    requests = [{**common, "time": 24.0, "view": view} for view in VIEWS]
    requests += [{**requests[0], "time": 60.0}, {**common, "stage": "nothing.usda", "time": 0, "view": "top"}]
    answers = io.BytesIO()
    with (tmp_path / "requests").open("w+b", buffering=0) as lines:
        lines.write("".join(f"{json.dumps(r)}\n" for r in requests).encode())
        lines.seek(0)
        serve(answer, lines, answers.write)
    answers.seek(0)
    pictures = []
    for _ in range(5):
        header = json.loads(answers.readline())
        assert header == {"height": 24, "width": 40, "bytes": 24 * 40 * 3}
        pictures.append(np.frombuffer(answers.read(24 * 40 * 3), np.uint8).reshape(24, 40, 3))
    for picture in pictures:
        assert (picture[0, 0] == 0).all()
        assert 0.05 < (picture.sum(2) > 60).mean() < 0.6
    assert len({p.tobytes() for p in pictures}) == 5
    assert "nothing.usda does not exist" in json.loads(answers.readline())["error"]
