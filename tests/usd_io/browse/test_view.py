"""A stage looked into: prims, arcs, the layer that wins, variants, instances, and layers muted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pxr import Sdf, Usd, UsdGeom

from usd_io.browse.details import LONGEST_VALUE
from usd_io.browse.view import StageView
from usd_io.errors import StageNotFoundError, StageReadError


@pytest.fixture
def composed(tmp_path: Path) -> Path:
    """A root over a sublayer that is moved in time, with a reference, a variant, and an instance."""
    asset = Usd.Stage.CreateNew(str(tmp_path / "asset.usda"))
    asset.SetDefaultPrim(UsdGeom.Xform.Define(asset, "/Asset").GetPrim())
    size = UsdGeom.Cube.Define(asset, "/Asset/Box").CreateSizeAttr()
    for time in (1, 5):
        size.Set(time, time)
    asset.Save()
    below = Usd.Stage.CreateNew(str(tmp_path / "below.usda"))
    shot = below.DefinePrim("/Shot", "Scope")
    look = shot.GetVariantSets().AddVariantSet("look")
    look.AddVariant("red")
    look.AddVariant("blue")
    look.SetVariantSelection("red")
    for name in ("A", "B"):
        prim = below.DefinePrim(f"/Shot/{name}")
        prim.GetReferences().AddReference("./asset.usda")
        prim.SetInstanceable(name == "B")
    below.Save()
    root = Usd.Stage.CreateNew(str(tmp_path / "root.usda"))
    root.GetRootLayer().subLayerPaths = ["./below.usda", "./missing.usda"]
    root.GetRootLayer().subLayerOffsets[0] = Sdf.LayerOffset(10, 2)
    root.OverridePrim("/Shot/A/Box").GetAttribute("size").Set(3.0, 4)
    root.DefinePrim("/Shot/Off").SetActive(False)
    root.Save()
    return tmp_path / "root.usda"


def test_rows_tell_type_children_and_what_is_special(composed: Path) -> None:
    view = StageView(composed)
    assert [row.path for row in view.children()] == ["/Shot"]
    rows = {row.name: row for row in view.children("/Shot")}
    assert rows["A"].flags == ("reference",)
    assert rows["B"].flags == ("instance", "reference")
    assert rows["Off"].flags == ("inactive",)
    (proxy,) = view.children("/Shot/B")
    assert (proxy.type, proxy.flags, proxy.children) == ("Cube", ("instanced",), 0)
    assert ("/Shot/B/Box", "Cube") in view.names()


def test_the_samples_of_the_stronger_layer_win_over_all_weaker_ones(composed: Path) -> None:
    view = StageView(composed)
    (size,) = [p for p in view.details("/Shot/A/Box").properties if p.name == "size"]
    assert (size.source, size.samples, size.range) == ("samples", 1, (4.0, 4.0))
    assert [(Path(o.layer).name, o.samples, o.hidden) for o in size.opinions] == [
        ("root.usda", 1, False),
        ("asset.usda", 2, True),
    ]


def test_details_tell_arcs_variants_and_the_prototype(composed: Path) -> None:
    view = StageView(composed)
    (variant,) = view.details("/Shot").variants
    assert (variant.name, variant.selected, variant.choices) == ("look", "red", ("blue", "red"))
    arcs = [
        (a.kind, Path(a.layer).name, Path(a.introduced_by).name)
        for a in view.details("/Shot/A").arcs
        if a.authored
    ]
    assert arcs == [("local", "root.usda", ""), ("reference", "asset.usda", "below.usda")]
    assert view.details("/Shot/B").prototype.startswith("/__Prototype")
    assert view.details("/Shot/B/Box").type == "Cube"


def test_layers_tell_depth_offset_and_what_is_missing(composed: Path) -> None:
    view = StageView(composed)
    rows = [(row.name, row.depth, row.offset, row.scale, row.found) for row in view.layers()]
    assert rows == [
        ("root.usda", 0, 0.0, 1.0, True),
        ("below.usda", 1, 10.0, 2.0, True),
        ("missing.usda", 1, 0.0, 1.0, False),
        ("asset.usda", -1, 0.0, 1.0, True),
    ]


def test_muting_takes_a_layer_out_of_the_view_alone(composed: Path) -> None:
    view = StageView(composed)
    below = view.layers()[1].identifier
    view.mute(below, True)
    assert [row.muted for row in view.layers()][:2] == [False, True]
    assert view.children("/Shot")[0].type == ""
    assert StageView(composed).row("/Shot").type == "Scope"
    view.mute(below, False)
    assert view.row("/Shot").type == "Scope"
    with pytest.raises(StageNotFoundError, match="root layer"):
        view.mute(view.layers()[0].identifier, True)


def test_what_is_not_there_is_said(composed: Path, tmp_path: Path) -> None:
    view = StageView(composed)
    for path in ("/Nothing", "no path at all", ""):
        with pytest.raises(StageNotFoundError, match="has no prim"):
            view.details(path)
    (tmp_path / "no.usda").write_text("none")
    with pytest.raises(StageReadError):
        StageView(tmp_path / "no.usda")


def test_long_values_are_cut_and_arrays_counted(two_bone_arm: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    prim = stage.DefinePrim("/Long")
    prim.CreateAttribute("text", Sdf.ValueTypeNames.String).Set("x" * 100_000)
    prim.CreateAttribute("many", Sdf.ValueTypeNames.IntArray).Set(range(1000))
    stage.Save()
    values = {p.name: p.value for p in StageView(two_bone_arm).details("/Long").properties}
    assert len(values["text"]) == LONGEST_VALUE
    assert values["many"] == "[0, 1, 2, 3, ...] 1000 elements"


def test_names_stop_when_asked(make_arm: Callable[..., Path], tmp_path: Path) -> None:
    assert StageView(make_arm(tmp_path / "arm.usda")).names(lambda: True) == []


def test_every_prim_of_every_stage_can_be_looked_at(stage_file: Path) -> None:
    try:
        view = StageView(stage_file)
    except StageReadError:
        pytest.skip("no stage")
    names = view.names()
    for path, kind in names[:: max(len(names) // 30, 1)]:
        details = view.details(path)
        assert (details.path, details.type) == (path, kind)
    assert view.layers()[0].depth == 0
