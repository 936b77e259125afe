"""The boxes that viewers cull by hold the new motion, whatever way the source gives them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt

from usd_io.author.result import Authored, Take, author_result
from usd_io.author.takes import show_take
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage

DATA = Path(__file__).parents[2] / "data"
FOX = "/Fox/Skeleton"
LEAP = np.float32(300.0)
"""Far out of the box that the source gives [cm]."""


def leaping(source: Path, folder: Path) -> tuple[Authored, list[float]]:
    """Two takes of the fox, thrown up and aside at two frames; the times of these."""
    motion = read_motion(open_stage(source), FOX)
    confidence = np.ones(motion.translations.shape[:2], np.float32)
    confidence[3:5] = 0.5
    up, aside = motion.translations.copy(), motion.translations.copy()
    up[3:5, 0, 1] += LEAP
    aside[3:5, 0, 0] += LEAP
    take = Take(
        replace(motion, translations=up),
        confidence=confidence,
        others=(replace(motion, translations=aside),),
    )
    return author_result(source, folder, "leap", {FOX: take}), motion.times[3:5].tolist()


def joints_within(stage: Usd.Stage, time: float) -> bool:
    """Whether the extent holds every joint, placed by UsdSkel."""
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(FOX)))
    low, high = (
        np.array(v) for v in UsdGeom.Boundable(stage.GetPrimAtPath("/Fox")).GetExtentAttr().Get(time)
    )
    skeleton = UsdGeom.XformCache(time).ComputeRelativeTransform(
        stage.GetPrimAtPath(FOX), stage.GetPrimAtPath("/Fox")
    )[0]
    places = [Gf.Matrix4d(m) * skeleton for m in query.ComputeJointSkelTransforms(time)]
    points = np.array([m.ExtractTranslation() for m in places])
    return bool(np.all(points >= low) and np.all(points <= high))


def test_a_box_for_the_whole_shot_grows_to_hold_all_takes(tmp_path: Path) -> None:
    result, times = leaping(DATA / "fox/fox_survey.usda", tmp_path)
    stage = open_stage(result.root)
    extent = UsdGeom.Boundable(stage.GetPrimAtPath("/Fox")).GetExtentAttr()
    source = open_stage(DATA / "fox/fox_survey.usda")
    before = UsdGeom.Boundable(source.GetPrimAtPath("/Fox")).GetExtentAttr()
    assert not extent.GetTimeSamples()
    assert np.all(np.array(extent.Get()[0]) <= np.array(before.Get()[0]))
    assert np.all(np.array(extent.Get()[1])[:2] >= np.array(before.Get()[1])[:2] + LEAP / 2)
    for number in (1, 2):
        show_take(stage, number)
        assert all(joints_within(stage, time) for time in times)


@pytest.fixture
def boxed_by_frame(tmp_path: Path) -> Path:
    path = tmp_path / "boxed.usda"
    stage = Usd.Stage.CreateNew(str(path))
    stage.GetRootLayer().TransferContent(Usd.Stage.Open(str(DATA / "fox/fox_survey.usda")).Flatten())
    extent = UsdGeom.Boundable(stage.GetPrimAtPath("/Fox")).GetExtentAttr()
    for time in (0.0, 82.0):
        extent.Set(Vt.Vec3fArray([Gf.Vec3f(-200), Gf.Vec3f(200)]), time)
    stage.Save()
    return path


def test_boxes_by_frame_keep_their_frames_and_get_the_new_ones(boxed_by_frame: Path, tmp_path: Path) -> None:
    result, times = leaping(boxed_by_frame, tmp_path / "out")
    stage = open_stage(result.root)
    extent = UsdGeom.Boundable(stage.GetPrimAtPath("/Fox")).GetExtentAttr()
    assert extent.GetTimeSamples() == sorted([0.0, *times, 82.0])
    assert extent.Get(0.0) == Vt.Vec3fArray([Gf.Vec3f(-200), Gf.Vec3f(200)])
    assert all(joints_within(stage, time) for time in times)


def test_where_the_source_gives_no_box_none_is_written(tmp_path: Path) -> None:
    source = tmp_path / "bare.usda"
    stage = Usd.Stage.CreateNew(str(source))
    stage.GetRootLayer().TransferContent(Usd.Stage.Open(str(DATA / "fox/fox_survey.usda")).Flatten())
    stage.GetPrimAtPath("/Fox").RemoveProperty("extent")
    stage.Save()
    result, _ = leaping(source, tmp_path / "out")
    assert not UsdGeom.Boundable(open_stage(result.root).GetPrimAtPath("/Fox")).GetExtentAttr().IsAuthored()
