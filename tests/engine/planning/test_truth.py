"""What can be a truth: a stage with samples of its own where motion is filled."""

from pathlib import Path

import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.report.contents import read_contents
from tests.engine.test_usd_kinds import DENSE, KEYS, Rig

SAMPLED = {"translations": (*DENSE, *KEYS), "rotations": (*DENSE, 18, 22, 26), "scales": (*DENSE, *KEYS)}
EVERY = dict.fromkeys(SAMPLED, tuple(map(float, range(1, 27))))


def shot(folder: Path, **more: str) -> RunConfig:
    path = Rig(folder).saved()
    return RunConfig(str(path), prior="slerp", out=str(folder / "out"), preview=False, report=False, **more)


@pytest.mark.parametrize("own", [True, False])
def test_a_truth_without_a_sample_in_a_gap_is_refused_when_planning(own: bool, tmp_path: Path) -> None:
    truth = tmp_path / "hero.usda" if own else Rig(tmp_path, "truth.usda").saved()
    config = shot(tmp_path, truth=str(truth))
    with pytest.raises(ConfigError, match="no sample of /Char/Skel is authored inside the gaps") as caught:
        engine_run.run(config)
    assert caught.value.settings == ("truth",)
    assert not (tmp_path / "out").exists()


def test_a_gap_without_a_true_sample_is_named(tmp_path: Path) -> None:
    config = shot(tmp_path, truth=str(Rig(tmp_path, "truth.usda", times=SAMPLED).saved()))
    (note,) = engine_run.plan(config).notes
    assert "has no sample of /Char/Skel inside 12..18: " in note


def test_a_sampled_truth_is_scored_without_a_word(tmp_path: Path) -> None:
    config = shot(tmp_path, truth=str(Rig(tmp_path, "truth.usda", times=EVERY).saved()))
    assert engine_run.plan(config).notes == ()
    assert engine_run.run(config).scores["/Char/Skel"]["truth"]["slerp"]["l2p"] > 0


def test_another_rig_is_refused_when_planning(tmp_path: Path) -> None:
    other = Rig(tmp_path, "truth.usda", times=EVERY)
    other.skeleton("Skel", ("Root", "Root/A"))
    config = shot(tmp_path, truth=str(other.saved()))
    with pytest.raises(ConfigError, match="has other joints there"):
        engine_run.plan(config)


def test_a_skeleton_without_any_true_sample_is_not_scored(tmp_path: Path) -> None:
    for name, times in (("hero.usda", None), ("full.usda", EVERY)):
        Rig(tmp_path, name, times).saved()
    for name, files in (("shot", ("hero", "hero")), ("truth", ("full", "hero"))):
        prims = "".join(
            f'def "{prim}" (references = @./{file}.usda@) {{}}\n'
            for prim, file in zip("AB", files, strict=True)
        )
        (tmp_path / f"{name}.usda").write_text(f'#usda 1.0\n(upAxis = "Y"\n metersPerUnit = 1)\n{prims}')
    config = RunConfig(
        str(tmp_path / "shot.usda"),
        prior="slerp",
        out=str(tmp_path / "out"),
        preview=False,
        report=False,
        truth=str(tmp_path / "truth.usda"),
    )
    (note,) = engine_run.plan(config).notes
    assert note.endswith("has no sample of /B/Skel inside the gaps, so that this skeleton is not scored.")
    scores = engine_run.run(config).scores
    assert scores["/A/Skel"]["truth"] is not None
    assert scores["/B/Skel"]["truth"] is None


def test_a_truth_that_leaves_the_keys_is_named(tmp_path: Path) -> None:
    other = Rig(tmp_path, "truth.usda", times=EVERY)
    rotations = other.animation.GetRotationsAttr()
    rotations.Set(rotations.Get(5.0), 18.0)
    config = shot(tmp_path, truth=str(other.saved()))
    (note,) = engine_run.plan(config).notes
    assert "another pose of /Char/Skel than the source at the key 18, by up to" in note


def test_a_truth_of_another_rate_is_matched_in_seconds(tmp_path: Path) -> None:
    truth, scores = Rig(tmp_path, "truth.usda", times=EVERY), []
    config = shot(tmp_path, truth=str(truth.path), force=True)
    for rate in (24, 30):
        if rate == 30:  # the same motion in the same seconds
            for attribute in truth.animation.GetPrim().GetAttributes():
                own = [(time, attribute.Get(time)) for time in attribute.GetTimeSamples()]
                if own:
                    attribute.Clear()
                for time, value in own:
                    attribute.Set(value, time * rate / 24)
            truth.stage.SetTimeCodesPerSecond(rate)
        truth.saved()
        notes = engine_run.plan(config).notes
        assert [("30 time codes/s, the source 24: its times" in note) for note in notes] == [True] * (
            rate == 30
        )
        scores.append(engine_run.run(config).scores["/Char/Skel"]["truth"]["slerp"]["l2p"])
    assert scores[1] == pytest.approx(scores[0], rel=1e-6)
    assert "truth" in read_contents(tmp_path / "out").actors[0].takes
