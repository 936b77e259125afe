"""What other readers drop is found where a stage uses it, and not where it does not."""

from pathlib import Path

import pytest
from pxr import Gf, Sdf, Ts, Usd, UsdGeom, UsdSkel, Vt

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.inspection.report import check
from usd_io.check.readers import READERS, reader_findings

CASES = Path(__file__).parents[2] / "data/cases/usd"


@pytest.fixture
def stage(tmp_path: Path) -> Usd.Stage:
    Sdf.Layer.FindOrOpen(str(CASES / "late_refusal/hero.usda")).Export(str(tmp_path / "hero.usda"))
    opened = Usd.Stage.Open(str(tmp_path / "hero.usda"))
    UsdGeom.Xform.Define(opened, "/Char/Group")
    mesh = UsdGeom.Mesh.Define(opened, "/Char/Group/Body")
    mesh.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (0, 1, 0)])
    mesh.CreateFaceVertexCountsAttr([3])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton(opened).GetPath()])
    binding.CreateJointIndicesPrimvar(False, 1).Set([0, 0, 0])
    binding.CreateJointWeightsPrimvar(False, 1).Set([1, 1, 1])
    return opened


def skeleton(stage: Usd.Stage) -> Usd.Prim:
    return next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Skeleton))


def animation(stage: Usd.Stage) -> Usd.Prim:
    return next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation))


def body(stage: Usd.Stage) -> UsdSkel.BindingAPI:
    return UsdSkel.BindingAPI(stage.GetPrimAtPath("/Char/Group/Body"))


def spline(stage: Usd.Stage) -> None:
    moved = UsdGeom.Xformable(stage.GetPrimAtPath("/Char")).AddTranslateXOp()
    curve = Ts.Spline("double")
    for time in (1.0, 9.0):
        knot = Ts.Knot(typeName="double")
        knot.SetTime(time)
        knot.SetValue(time)
        curve.SetKnot(knot)
    moved.GetAttr().SetSpline(curve)


def own_transform(stage: Usd.Stage) -> None:
    UsdGeom.Xformable(skeleton(stage)).AddTranslateOp().Set(Gf.Vec3d(1, 0, 0))


def influences_above(stage: Usd.Stage) -> None:
    for name in ("primvars:skel:jointIndices", "primvars:skel:jointWeights"):
        body(stage).GetPrim().RemoveProperty(name)
    above = UsdSkel.BindingAPI.Apply(stage.GetPrimAtPath("/Char/Group"))
    above.CreateJointIndicesPrimvar(False, 1).Set([0, 0, 0])
    above.CreateJointWeightsPrimvar(False, 1).Set([1, 1, 1])


def bind_scale(stage: Usd.Stage) -> None:
    attribute = UsdSkel.Skeleton(skeleton(stage)).GetBindTransformsAttr()
    attribute.Set(Vt.Matrix4dArray([Gf.Matrix4d().SetScale(2) * m for m in attribute.Get()]))


def weights(stage: Usd.Stage) -> None:
    body(stage).GetJointWeightsAttr().Set([0.5, 1, 1])


def dual(stage: Usd.Stage) -> None:
    body(stage).GetPrim().CreateAttribute("primvars:skel:skinningMethod", Sdf.ValueTypeNames.Token).Set(
        "dualQuaternion"
    )


def constant(stage: Usd.Stage) -> None:
    for name in ("primvars:skel:jointIndices", "primvars:skel:jointWeights"):
        body(stage).GetPrim().RemoveProperty(name)
    body(stage).CreateJointIndicesPrimvar(True, 1).Set([0])
    body(stage).CreateJointWeightsPrimvar(True, 1).Set([1])


def block(stage: Usd.Stage) -> None:
    animation(stage).GetAttribute("translations").Set(Sdf.ValueBlock(), 99)


def time_code(stage: Usd.Stage) -> None:
    skeleton(stage).CreateAttribute("userProperties:start", Sdf.ValueTypeNames.TimeCode).Set(Sdf.TimeCode(12))


def unicode_name(stage: Usd.Stage) -> None:
    stage.DefinePrim("/Char/Größe")


def variant(stage: Usd.Stage) -> None:
    sets = stage.GetPrimAtPath("/Char").GetVariantSets().AddVariantSet("take")
    sets.AddVariant("b")
    sets.SetVariantSelection("b")
    skeleton(stage).RemoveProperty("skel:animationSource")
    with sets.GetVariantEditContext():
        UsdSkel.BindingAPI(skeleton(stage)).CreateAnimationSourceRel().SetTargets(
            [animation(stage).GetPath()]
        )


def moving_root(stage: Usd.Stage) -> None:
    moved = UsdGeom.Xformable(stage.GetPrimAtPath("/Char")).AddTranslateOp()
    moved.Set(Gf.Vec3d(0), 1)
    moved.Set(Gf.Vec3d(1), 9)


def bound_above(stage: Usd.Stage) -> None:
    target = animation(stage).GetPath()
    skeleton(stage).RemoveProperty("skel:animationSource")
    UsdSkel.BindingAPI.Apply(stage.GetPrimAtPath("/Char")).CreateAnimationSourceRel().SetTargets([target])


def other_times(stage: Usd.Stage) -> None:
    rotations = animation(stage).GetAttribute("rotations")
    rotations.Set(rotations.Get(1), 99)


def same_names(stage: Usd.Stage) -> None:
    joints = UsdSkel.Skeleton(skeleton(stage)).GetJointsAttr().Get()
    UsdSkel.Skeleton.Define(stage, "/Char/Other").CreateJointsAttr(joints)


def animation_block(stage: Usd.Stage) -> None:
    Sdf.AttributeSpec(
        stage.GetRootLayer().GetPrimAtPath("/Char"), "userProperties:x", Sdf.ValueTypeNames.Float
    ).default = Sdf.AnimationBlock()


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (spline, {"blender:splines", "usd-24.03:splines"}),
        (own_transform, {"blender:skeleton-transform"}),
        (influences_above, {"blender:inherited-influences"}),
        (bind_scale, {"blender:bind-scale"}),
        (weights, {"blender:weight-sums"}),
        (dual, {"blender:dual-quaternions", "three:dual-quaternions"}),
        (constant, {"three:constant-influences"}),
        (block, {"three:blocked-samples", "tinyusdz:blocked-samples"}),
        (time_code, {"lightusd:time-codes"}),
        (unicode_name, {"tinyusdz:unicode-names"}),
        (variant, {"three:variants"}),
        (moving_root, {"three:moving-skelroot"}),
        (other_times, {"blender:uneven-channels"}),
        (same_names, {"three:joint-names"}),
        (bound_above, {"lightusd:inherited-bindings"}),
        (
            animation_block,
            {"lightusd:animation-block", "usd-25.05:animation-block", "usd-24.03:animation-block"},
        ),
    ],
)
def test_what_readers_drop_is_found(stage: Usd.Stage, change: object, rules: set[str]) -> None:
    before = {found.rule for found in reader_findings(stage, list(READERS))}
    assert not before & rules
    change(stage)
    found = {found.rule: found for found in reader_findings(stage, list(READERS))}
    assert rules <= found.keys()
    assert all(found[rule].severity == "warning" and found[rule].message.endswith(".") for rule in rules)
    assert all(found[rule].prim or found[rule].layer for rule in rules)


def test_layers_and_array_edits_are_found() -> None:
    rules = {
        found.rule for found in reader_findings(Usd.Stage.Open(str(CASES / "array_edit.usda")), list(READERS))
    }
    assert {"three:layers", "tinyusdz:layers", "usd-25.05:array-edits", "blender:array-edits"} <= rules


def test_a_flat_result_uses_nothing_that_is_dropped(stage: Usd.Stage, tmp_path: Path) -> None:
    for change in (spline, influences_above, animation_block):
        change(stage)
    stage.Save()
    done = engine_run.run(
        RunConfig(
            stage=str(tmp_path / "hero.usda"),
            prior="slerp",
            preview=False,
            report=False,
            out=str(tmp_path / "out"),
            author="flat",
        )
    )
    found = {each.rule for each in reader_findings(Usd.Stage.Open(done.result), list(READERS))}
    assert found <= {"three:moving-skelroot"}  # it still moves, by samples


def test_weights_of_an_unknown_type_are_no_weights() -> None:
    layer = Sdf.Layer.CreateAnonymous(".usda")
    layer.ImportFromString(
        """#usda 1.0
        def SkelRoot "A" (prepend apiSchemas = ["SkelBindingAPI"]) {
            rel skel:skeleton = </A/S>
            def Skeleton "S" {
                uniform token[] joints = ["a"]
            }
            def Mesh "M" (prepend apiSchemas = ["SkelBindingAPI"]) {
                point3f[] points = [(0, 0, 0)]
                int[] primvars:skel:jointIndices = [0] (interpolation = "vertex")
                flaot[] primvars:skel:jointWeights = [2] (interpolation = "vertex")
            }
        }
        """
    )
    assert not any(
        "weights" in finding.message for finding in reader_findings(Usd.Stage.Open(layer), [*READERS])
    )


def test_an_unknown_reader_is_refused() -> None:
    with pytest.raises(ConfigError, match="no reader 'maya' is known; name some of blender"):
        check(str(CASES / "baked_channel.usda"), ["maya"])
    assert check(str(CASES / "baked_channel.usda"), ["usd-24.03", "lightusd"]) == ()
