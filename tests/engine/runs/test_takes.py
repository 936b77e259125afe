"""Takes and confidence through the run API: what is made, told, kept and chosen."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.pipeline import RunResult
from engine.runs.takes import choose_gap, choose_take, read_gaps
from usd_io.author.layers import CONFIDENCE
from usd_io.errors import TakeNotFoundError
from usd_io.model import Motion
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage

FOX = "/Fox/Skeleton"
KEYS = np.array([0, 12, 24, 36, 48, 60, 72, 82], float)


@pytest.fixture
def fox_keys(data: Path) -> str:
    return str(data / "edge" / "fox_survey_keys.usda")


def run(stage: str, out: Path, **settings: object) -> RunResult:
    settings = {"preview": False, "report": False, **settings}
    return engine_run.run(RunConfig(stage=stage, out=str(out), **settings))  # type: ignore[arg-type]


def motions_of(result: RunResult) -> list[Motion]:
    """All takes as the result shows them."""
    found = []
    for number in range(1, choose_take(result.result).count + 1):
        choose_take(result.result, number)
        found.append(read_motion(open_stage(result.result), FOX))
    choose_take(result.result, 1)
    return found


@pytest.mark.parametrize("prior", ["auto", "learned", "spline"])
def test_takes_differ_between_the_keys_and_equal_the_source_at_them(
    prior: str, fox_keys: str, tmp_path: Path
) -> None:
    result = run(fox_keys, tmp_path / "run", prior=prior, takes=3)
    source = read_motion(open_stage(fox_keys), FOX)
    single = read_motion(open_stage(run(fox_keys, tmp_path / "one", prior=prior).result), FOX)
    motions = motions_of(result)
    np.testing.assert_array_equal(motions[0].rotations, single.rotations)
    for number, motion in enumerate(motions):
        at_keys = motion.at(np.isin(motion.times, KEYS))
        np.testing.assert_array_equal(np.abs(at_keys.rotations), np.abs(source.rotations))
        np.testing.assert_array_equal(at_keys.translations, source.translations)
        for other in motions[:number]:
            assert np.abs(motion.rotations - other.rotations).max() > 1e-3
    assert [take["key_error"] for take in result.scores[FOX]["takes"]] == [0, 0, 0]


def test_a_seed_repeats_its_takes_and_more_of_them_change_none(fox_keys: str, tmp_path: Path) -> None:
    def rotations(name: str, takes: int, seed: int) -> list[np.ndarray]:
        result = run(fox_keys, tmp_path / name, prior="learned", takes=takes, seed=seed)
        return [motion.rotations for motion in motions_of(result)]

    two, three, other = rotations("two", 2, 1), rotations("three", 3, 1), rotations("other", 2, 2)
    np.testing.assert_array_equal(two, three[:2])
    np.testing.assert_array_equal(two[0], other[0])
    assert np.abs(two[1] - other[1]).max() > 1e-3


def test_takes_are_scored_in_report_and_layer(fox_keys: str, data: Path, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", takes=2, truth=str(data / "fox" / "fox.usdc"))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    first, second = report["scores"][FOX]["takes"]
    assert first["truth"] == report["scores"][FOX]["truth"]["auto"]
    assert first["from_first"] == 0
    assert second["from_first"] > 0
    assert second["truth"]["l2p"] > first["truth"]["l2p"]
    record = Sdf.Layer.FindOrOpen(result.layer).customLayerData["anymole"]
    assert record["scores"][FOX]["takes"]["1"]["from_first"] == second["from_first"]
    assert list(record["takes"]["0"]["variants"]["names"]) == ["take_1", "take_2"]


def test_confidence_is_authored_for_every_frame_and_joint_and_summed_up(
    fox_keys: str, tmp_path: Path
) -> None:
    result = run(fox_keys, tmp_path / "run", lock=("b_Tail*",))
    stage = Usd.Stage.Open(result.result)
    attribute = stage.GetPrimAtPath("/Fox/Anim/Survey_inbetween").GetAttribute(CONFIDENCE)
    times = np.array(attribute.GetTimeSamples())
    values = np.array([attribute.Get(time) for time in times.tolist()])
    joints = stage.GetPrimAtPath("/Fox/Anim/Survey_inbetween").GetAttribute("joints").Get()
    assert values.shape == (83, len(joints))
    at_keys, tail = np.isin(times, KEYS), np.array(["b_Tail" in joint.rsplit("/", 1)[-1] for joint in joints])
    assert (values[at_keys] == 1).all()
    assert (values[:, tail] == 1).all()
    inside = values[~at_keys][:, ~tail]
    assert (inside[:, 0] == 1).all()  # the root above the hips never moves
    assert ((inside[:, 1:] > 0) & (inside[:, 1:] < 1)).all()
    summary = result.scores[FOX]["confidence"]
    assert summary["mean"] == pytest.approx(values[~at_keys].mean(), abs=1e-6)
    least = int(values[~at_keys].mean(0).argmin())
    assert summary["joints"][0] == {
        "joint": joints[least],
        "confidence": pytest.approx(values[~at_keys][:, least].mean(), abs=1e-6),
    }


def test_a_prior_that_cannot_tell_gives_no_confidence(fox_keys: str, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", prior="spline")
    stage = Usd.Stage.Open(result.result)
    assert not stage.GetPrimAtPath("/Fox/Anim/Survey_inbetween").HasAttribute(CONFIDENCE)
    assert result.scores[FOX]["confidence"] is None


def test_a_resumed_run_gives_the_same_bytes(fox_keys: str, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", takes=3, seed=5)
    layer = Path(result.layer)
    before = hashlib.sha256(layer.read_bytes()).hexdigest()
    layer.unlink()
    (tmp_path / "run" / "artefacts" / "score.json").unlink()
    again = engine_run.resume(tmp_path / "run")
    assert hashlib.sha256(layer.read_bytes()).hexdigest() == before
    assert again.scores == result.scores


def test_a_take_is_chosen_by_file_folder_or_not_at_all(fox_keys: str, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", prior="learned", takes=2)
    assert choose_take(result.run, 2).active == 2
    assert choose_take(result.result).active == 2
    with pytest.raises(TakeNotFoundError, match="no take 3"):
        choose_take(result.result, 3)
    (tmp_path / "run" / "report.json").write_text("{}")
    with pytest.raises(ConfigError, match="has no result yet"):
        choose_take(result.run, 1)


def test_a_resumed_run_keeps_what_is_chosen_and_says_when_it_cannot(fox_keys: str, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", prior="learned", takes=3)
    choose_take(result.run, 3)
    engine_run.resume(tmp_path / "run")
    assert choose_take(result.run).active == 3
    choose_gap(result.run, 2, 0)
    events: list[object] = []
    engine_run.resume(tmp_path / "run", events.append)
    assert [gap.take for gap in read_gaps(result.run)][:3] == [3, 0, 3]
    assert not any("was chosen" in str(event) for event in events)
    engine_run.resume(tmp_path / "run", events.append, changes={"samples": "sparse"})
    assert {gap.take for gap in read_gaps(result.run)} == {1}
    assert any("chosen for 7 gaps of the earlier result is not in the new one" in str(e) for e in events)


def test_a_result_that_is_not_as_it_was_written_is_no_choice(fox_keys: str, tmp_path: Path) -> None:
    result = run(fox_keys, tmp_path / "run", prior="learned", takes=2)
    root = Path(result.result)
    root.write_text(root.read_text(encoding="utf-8") + "# by hand\n", encoding="utf-8")
    choose_take(result.run, 2)
    engine_run.resume(tmp_path / "run")
    assert choose_take(result.run).active == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"takes": 0}, "1 to 100"), ({"takes": 101}, "1 to 100"), ({"takes": 2, "author": "over"}, "one take")],
)
def test_takes_that_cannot_be_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RunConfig(stage="a.usda", **settings)  # type: ignore[arg-type]


def test_takes_and_gaps_chosen_at_once_by_several_processes_are_whole(fox_keys: str, tmp_path: Path) -> None:
    root = Path(run(fox_keys, tmp_path / "out", takes=3, prior="spline", report=False).result)
    kept = {}
    for number in (1, 2, 3):
        choose_take(str(root), number)
        kept[root.read_bytes()] = number
    script = (
        "import sys; from engine.runs.takes import choose_take\n"
        "for number in (1, 2, 3) * 6: assert choose_take(sys.argv[1], number).count == 3"
    )
    command = [sys.executable, "-c", script, str(root)]
    working = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    odd = 0
    while any(process.poll() is None for process in working):
        odd += root.read_bytes() not in kept
        time.sleep(0.001)
    assert [process.communicate()[1] for process in working] == [b""] * 3
    assert odd == 0
    assert root.read_bytes() in kept
    assert not list(root.parent.glob(".*.tmp"))
