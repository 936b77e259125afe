"""Inputs of kinds that rigs and pipelines use, built here; what is kept of them is judged by UsdSkel alone."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

from tests.engine.outcome import CHANNELS, SKEL, Outcome
from usd_io.check.readers import reader_findings

JOINTS = ("Root", "Root/A", "Root/A/B")
DENSE = tuple(map(float, range(1, 13)))
KEYS = (18.0, 26.0)
PROBES = (-2.0, 1.0, 6.5, 12.0, 18.0, 26.0, 30.0)
"""Before, in, between and behind samples; all keys."""


def values(channel: str, count: int, time: float) -> Any:
    if channel == "translations":
        return Vt.Vec3fArray([(0.03 * time, 1 + 0.1 * math.sin(time / 7 + n), 0) for n in range(count)])
    if channel == "scales":
        return Vt.Vec3hArray([Gf.Vec3h(1 + 0.05 * math.sin(time / 5 + n)) for n in range(count)])
    turns = [
        Gf.Rotation(Gf.Vec3d(n % 2, 1, n % 3), 40 * math.sin(time / 9 + n)).GetQuat() for n in range(count)
    ]
    return Vt.QuatfArray([Gf.Quatf(turn) for turn in turns])


class Rig:
    """A small character on a stage of its own."""

    def __init__(
        self, folder: Path, name: str = "hero.usda", times: dict[str, Sequence[float]] | None = None
    ) -> None:
        self.path = folder / name
        self.stage = Usd.Stage.CreateNew(str(self.path))
        UsdGeom.SetStageUpAxis(self.stage, "Y")
        UsdGeom.SetStageMetersPerUnit(self.stage, 1)
        self.stage.SetDefaultPrim(UsdSkel.Root.Define(self.stage, "/Char").GetPrim())
        self.skeleton("Skel", JOINTS)
        self.animation = UsdSkel.Animation.Define(self.stage, "/Char/Anim")
        self.animation.CreateJointsAttr(JOINTS)
        for channel in CHANNELS:
            attribute = self.animation.GetPrim().GetAttribute(channel)
            for time in (times or {}).get(channel, (*DENSE, *KEYS)):
                attribute.Set(values(channel, len(JOINTS), time), time)
        self.mesh = UsdGeom.Mesh.Define(self.stage, "/Char/Body")
        self.mesh.CreatePointsAttr([(x, y, z) for y in range(3) for x in (0, 1) for z in (0, 1)])
        self.mesh.CreateFaceVertexCountsAttr([4, 4])
        self.mesh.CreateFaceVertexIndicesAttr([0, 1, 5, 4, 4, 5, 9, 8])
        self.binding = UsdSkel.BindingAPI.Apply(self.mesh.GetPrim())
        self.binding.CreateSkeletonRel().SetTargets([SKEL])
        self.binding.CreateJointIndicesPrimvar(False, 2).Set([n // 4 + k for n in range(12) for k in (0, 0)])
        self.binding.CreateJointWeightsPrimvar(False, 2).Set([0.7, 0.3] * 12)

    def skeleton(self, name: str, joints: Sequence[str]) -> None:
        skeleton = UsdSkel.Skeleton.Define(self.stage, f"/Char/{name}")
        skeleton.CreateJointsAttr(joints)
        up = [Gf.Matrix4d().SetTranslate((0, joint.count("/") + 1.0, 0)) for joint in joints]
        skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray(up))
        skeleton.CreateRestTransformsAttr(
            Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate((0, 1, 0))] * len(joints))
        )
        bound = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
        bound.CreateAnimationSourceRel().SetTargets(["/Char/Anim"])

    def saved(self) -> Path:
        self.stage.Save()
        return self.path


def blend_shapes(rig: Rig) -> None:
    """In-betweens, sparse points, and weights in another order than the mesh's, of shapes that it lacks too."""
    smile = UsdSkel.BlendShape.Define(rig.stage, "/Char/Body/Smile")
    smile.CreateOffsetsAttr([(0, 0.1, 0)] * 12)
    half = smile.CreateInbetween("half")
    half.SetWeight(0.5)
    half.SetOffsets([(0.2, 0.1, 0)] * 12)
    frown = UsdSkel.BlendShape.Define(rig.stage, "/Char/Body/Frown")
    frown.CreateOffsetsAttr([(0, 0, 0.3)] * 2)
    frown.CreatePointIndicesAttr([3, 5])
    rig.binding.CreateBlendShapesAttr(["smile", "frown"])
    rig.binding.CreateBlendShapeTargetsRel().SetTargets([smile.GetPath(), frown.GetPath()])
    rig.animation.CreateBlendShapesAttr(["frown", "other", "smile"])
    weights = rig.animation.CreateBlendShapeWeightsAttr()
    for time in (1.0, 11.5, 26.0):
        weights.Set([0.1, 0.2, abs(math.sin(time))], time)


def animated_influences(rig: Rig) -> None:
    weights = rig.binding.GetJointWeightsAttr()
    weights.Set([0.7, 0.3] * 12, 1.0)
    weights.Set([0.2, 0.5] * 12, 20.0)


def blocked_samples(rig: Rig) -> None:
    """One inside a gap of the other channels, one in finished motion."""
    rig.animation.GetRotationsAttr().Set(Sdf.ValueBlock(), 22.0)
    rig.animation.GetTranslationsAttr().Set(Sdf.ValueBlock(), 5.0)


KINDS = {each.__name__: each for each in (blend_shapes, animated_influences, blocked_samples)}


@pytest.mark.parametrize("author", ["rebind", "over", "flat"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_skinned_and_blended_stays(kind: str, author: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    KINDS[kind](rig)
    done = Outcome(rig.saved(), tmp_path, author=author)
    for time in PROBES:
        rounding = 0 if time != 6.5 else 2e-3  # half precision between two samples
        assert done.differs(SKEL, time) <= rounding, time
        assert done.points_differ(time) <= rounding, time
    assert len(done.samples(done.result, "translations")) > len(DENSE) + len(KEYS)


def test_one_key_behind_finished_motion_is_filled_up_to(tmp_path: Path) -> None:
    done = Outcome(Rig(tmp_path).saved(), tmp_path, keys=(KEYS[0],))
    for channel in CHANNELS:
        assert sorted(done.samples(done.result, channel)) == [*DENSE, *range(13, 18), *KEYS]
    for time in (*PROBES, 22.0):  # nothing is filled behind the key, where USD's straight motion stays
        assert done.differs(SKEL, time) <= (0 if time in (*DENSE, *KEYS) else 2e-3), time
    moved = [done.query(done.result, SKEL).ComputeJointLocalTransforms(time)[0] for time in (12, 15, 18)]
    assert len({tuple(each.ExtractTranslation()) for each in moved}) == 3


@pytest.mark.parametrize("nested", [False, True])
def test_one_file_holds_what_instances_show(nested: bool, tmp_path: Path) -> None:
    """Each instance becomes a prim of its own; they go on sharing one animation."""
    Rig(tmp_path).saved()
    instance = "(instanceable = true\n references = @./{}.usda@)"
    if nested:
        (tmp_path / "group.usda").write_text(
            '#usda 1.0\n(defaultPrim = "G")\ndef "G" {\n def "In" ' + instance.format("hero") + " {}\n}\n"
        )
    file, below = ("group", "/In") if nested else ("hero", "")
    source = tmp_path / "shot.usda"
    source.write_text(
        '#usda 1.0\n(upAxis = "Y"\n metersPerUnit = 1)\n'
        + "".join(f'def "{name}" {instance.format(file)} {{}}\n' for name in "AB")
    )
    done = Outcome(source, tmp_path, author="flat")
    assert not done.result.GetPrototypes()
    assert len(done.run.plan) == 1
    paths = [f"/{name}{below}/Skel" for name in "AB"]
    assert len({done.animation(done.result, path).GetPath() for path in paths}) == 1
    for path in paths:
        assert [done.differs(path, time) for time in PROBES if time != 6.5] == [0] * 6
    assert done.points_differ(12.0) == 0
    assert len(done.samples(done.result, "rotations", paths[0])) == 26 - 1 + 1


def test_channels_of_one_file_have_samples_at_the_same_times(tmp_path: Path) -> None:
    """Where a channel has none and another has one, some readers would hold it."""
    times = {
        "translations": tuple(map(float, range(1, 31))),
        "rotations": (1.0, 13.0, 25.0),
        "scales": (1.0, 30.0),
    }
    source = Rig(tmp_path, times=times).saved()
    done = Outcome(source, tmp_path, author="flat")
    found = [list(done.samples(done.result, channel)) for channel in CHANNELS]
    assert found[0] == found[1] == found[2]
    assert not [f for f in reader_findings(done.result, ["blender"]) if f.rule == "blender:uneven-channels"]
    assert [f for f in reader_findings(done.source, ["blender"]) if f.rule == "blender:uneven-channels"]
    kept = done.samples(done.source, "translations")
    assert done.samples(done.result, "translations") == kept
    rotations = done.samples(done.result, "rotations")
    assert all(rotations[time] == value for time, value in done.samples(done.source, "rotations").items())
    assert [done.differs(SKEL, time) for time in (-3.0, 1.0, 30.0, 34.0)] == [0] * 4


@pytest.mark.parametrize("author", ["rebind", "flat"])
def test_a_key_where_one_channel_has_no_sample_rounds_beside_it_alone(author: str, tmp_path: Path) -> None:
    """Scales are set at two times far apart; the end of a gap is one more sample of theirs, from which what lies before
    is interpolated, in half precision."""
    times = {"scales": (1.0, 26.0), "translations": (*DENSE, 26.0)}
    source = Rig(tmp_path, times=times).saved()
    done = Outcome(source, tmp_path, author=author, context=((1.0, 10.0),), keys=(10.0, 18.0, 26.0))
    assert [done.differs(SKEL, time) for time in (-1.0, 1.0, 10.0, 18.0, 26.0, 28.0)] == [0] * 6
    assert max(done.differs(SKEL, time) for time in (4.0, 6.5, 9.0)) < 4e-3
    for channel in ("translations", "rotations"):
        kept = done.samples(done.result, channel)
        assert all(
            kept[time] == value for time, value in done.samples(done.source, channel).items() if time <= 10
        )
