"""One file for readers that do not compose: judged by UsdSkel against the source, and by what is in the file."""

from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Ts, Usd, UsdGeom, UsdSkel

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.pipeline import RunResult
from usd_io.author.takes import read_takes
from usd_io.check.rules import check_file
from usd_io.judge import Judge

DATA = Path(__file__).parents[2] / "data"
CASES = DATA / "cases/usd"


def filled(source: Path, folder: Path, **options: object) -> RunResult:
    out = str(folder / "out")
    config = RunConfig(
        stage=str(source), prior="slerp", preview=False, report=False, out=out, author="flat", **options
    )
    return engine_run.run(config)


def composed(folder: Path) -> Path:
    """A shot with a sublayer at an offset, instances of a referenced hero, a variant that moves it, and a spline."""
    hero = Sdf.Layer.FindOrOpen(str(CASES / "late_refusal/hero.usda"))
    hero.Export(str(folder / "hero.usda"))
    stage = Usd.Stage.CreateNew(str(folder / "below.usda"))
    stage.SetTimeCodesPerSecond(30)
    stage.SetFramesPerSecond(30)
    for name in ("A", "B"):
        prim = UsdGeom.Xform.Define(stage, f"/World/{name}").GetPrim()
        prim.GetReferences().AddReference("./hero.usda")
        prim.SetInstanceable(name == "B")
        moved = UsdGeom.Xformable(prim).AddTranslateXOp()
        spline = Ts.Spline("double")
        for time, value in ((1.0, 0.0), (10.5, 2.0), (25.0, 3.0)):
            knot = Ts.Knot(typeName="double")
            knot.SetTime(time)
            knot.SetValue(value)
            knot.SetNextInterpolation(Ts.InterpLinear)
            spline.SetKnot(knot)
        moved.GetAttr().SetSpline(spline)
    sets = stage.GetPrimAtPath("/World").GetVariantSets().AddVariantSet("where")
    sets.AddVariant("far")
    sets.SetVariantSelection("far")
    with sets.GetVariantEditContext():
        UsdGeom.Xformable(stage.GetPrimAtPath("/World")).AddTranslateOp().Set(Gf.Vec3d(0, 0, 7))
    stage.Save()
    root = Sdf.Layer.CreateNew(str(folder / "shot.usda"))
    root.timeCodesPerSecond, root.framesPerSecond = 24, 24
    root.startTimeCode, root.endTimeCode = 3, 53
    root.subLayerPaths.append("./below.usda")
    root.subLayerOffsets[0] = Sdf.LayerOffset(3, 2)
    root.Save()
    return folder / "shot.usda"


def test_one_file_shows_all_that_the_source_shows(tmp_path: Path) -> None:
    source = composed(tmp_path)
    done = filled(source, tmp_path, skeletons=("/World/A/Skel",))
    assert done.result == done.layer
    layer = Sdf.Layer.FindOrOpen(done.result)
    assert not layer.GetExternalReferences()
    result, before = Usd.Stage.Open(layer), Usd.Stage.Open(str(source))
    assert [used for used in result.GetUsedLayers() if used != result.GetSessionLayer()] == [layer]
    for prim in result.TraverseAll():
        assert not prim.IsInstanceable()
        assert not prim.HasVariantSets()
        assert not any(attribute.HasSpline() for attribute in prim.GetAuthoredAttributes())
    made = done.plan[0]
    compared = Judge(before, result).compare(
        "/World/A/Skel",
        made["keys"],
        {
            name: [(gap["start"], gap["end"]) for gap in made["gaps"]]
            for name in ("translations", "rotations", "scales")
        },
    )
    assert compared.exact
    assert compared.changed > 0
    for time in (3.0, 12.5, 23.0, 40.0):
        for path in ("/World/A", "/World/B/Skel"):
            a, b = (
                UsdGeom.XformCache(time).GetLocalToWorldTransform(stage.GetPrimAtPath(path))
                for stage in (before, result)
            )
            np.testing.assert_allclose(np.array(a), np.array(b), rtol=0, atol=1e-9)
    assert not [
        found
        for found in check_file(done.result)
        if found.rule.startswith("SA0") and found.severity == "error"
    ]
    assert read_takes(done.result).count == 1


def test_bindings_and_influences_are_on_the_prims_themselves(tmp_path: Path) -> None:
    """Not above them, and per point: some readers know neither inheritance nor influences of a whole mesh."""
    # a layer of its own: what others hold in this process must not be changed
    Sdf.Layer.FindOrOpen(str(CASES / "baked_channel.usda")).Export(str(tmp_path / "rigid.usda"))
    stage = Usd.Stage.Open(str(tmp_path / "rigid.usda"))
    rigid = UsdGeom.Mesh.Define(stage, "/Char/Group/Rigid")
    rigid.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (0, 1, 0)])
    rigid.CreateFaceVertexCountsAttr([3])
    rigid.CreateFaceVertexIndicesAttr([0, 1, 2])
    above = UsdSkel.BindingAPI.Apply(UsdGeom.Xform.Define(stage, "/Char/Group").GetPrim())
    UsdSkel.BindingAPI.Apply(rigid.GetPrim())
    above.CreateSkeletonRel().SetTargets(["/Char/Skel"])
    above.CreateJointIndicesPrimvar(True, 1).Set([1])
    above.CreateJointWeightsPrimvar(True, 1).Set([1.0])
    stage.Save()
    result = Usd.Stage.Open(filled(tmp_path / "rigid.usda", tmp_path).result)
    own = UsdSkel.BindingAPI(result.GetPrimAtPath("/Char/Group/Rigid"))
    assert own.GetSkeletonRel().GetTargets() == ["/Char/Skel"]
    assert list(own.GetJointIndicesAttr().Get()) == [1, 1, 1]
    assert own.GetJointIndicesPrimvar().GetInterpolation() == "vertex"
    assert [str(p.GetPath()) for p in result.Traverse() if p.IsA(UsdSkel.Animation)] == [
        "/Char/Anim_inbetween"
    ]


def test_textures_are_named_from_the_file(tmp_path: Path) -> None:
    source = tmp_path / "fox_survey.usda"
    for name in ("fox_survey.usda", "fox.usdc"):
        (tmp_path / name).write_bytes((DATA / "fox" / name).read_bytes())
    (tmp_path / "textures").mkdir()
    for texture in (DATA / "fox/textures").iterdir():
        (tmp_path / "textures" / texture.name).write_bytes(texture.read_bytes())
    stage = Usd.Stage.Open(filled(source, tmp_path, context=((0, 24),), keys=(24, 36)).result)
    assets = [
        attribute.Get()
        for prim in stage.Traverse()
        for attribute in prim.GetAuthoredAttributes()
        if attribute.GetTypeName() == "asset"
    ]
    assert assets
    assert all(asset.path.startswith("../textures/") and asset.resolvedPath for asset in assets)


def test_several_takes_have_no_room_in_one_file() -> None:
    config = RunConfig(stage=str(CASES / "baked_channel.usda"), author="flat", takes=2)
    with pytest.raises(ConfigError, match="flat has room for one take"):
        engine_run.plan(config)


def test_a_run_goes_on_with_another_author_option(tmp_path: Path) -> None:
    source = CASES / "baked_channel.usda"
    first = engine_run.run(
        RunConfig(stage=str(source), prior="slerp", preview=False, report=False, out=str(tmp_path / "out"))
    )
    config = RunConfig(
        stage=str(source),
        prior="slerp",
        preview=False,
        report=False,
        out=str(tmp_path / "out"),
        author="flat",
    )
    second = engine_run.resume(tmp_path / "out", config=config)
    assert Path(first.result).suffix == ".usda"
    assert Path(second.result).suffix == ".usdc"
    assert Usd.Stage.Open(second.result).GetPrimAtPath("/Char/Anim_inbetween")


def test_finished_translations_may_lie_between_the_samples_of_rotations(tmp_path: Path) -> None:
    """Then rotations get samples there, and USD's slerp of floats rounds otherwise between those."""
    source = DATA / "edge/off_grid.usda"
    done = filled(source, tmp_path)
    gaps = {"rotations": [(8.0, 16.0), (16.0, 24.0)]}
    judge = Judge(Usd.Stage.Open(str(source)), Usd.Stage.Open(str(done.result)))
    found = judge.compare("/R/S", [8, 16, 24], gaps)  # type: ignore[arg-type]
    assert found.distance < 1e-4
