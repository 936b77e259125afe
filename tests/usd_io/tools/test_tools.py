"""Looking into layers, comparing them, and changing their times."""

from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd

from usd_io.errors import AuthorError, StageNotFoundError, StageReadError
from usd_io.tools.diff import differences
from usd_io.tools.retime import retime, trim
from usd_io.tools.text import convert_layer, layer_text, tree


@pytest.fixture
def fox(data: Path) -> Path:
    return data / "fox" / "fox.usdc"


@pytest.fixture
def shot(data: Path) -> Path:
    """A root layer over the fox."""
    return data / "edge" / "fox_survey_keys.usda"


OPEN: list[Usd.Stage] = []
"""A prim ends with its stage."""


def animation(path: Path) -> Usd.Prim:
    """The first animation of a stage."""
    OPEN.append(Usd.Stage.Open(str(path)))
    return next(prim for prim in OPEN[-1].Traverse() if prim.GetTypeName() == "SkelAnimation")


def test_cat_is_the_layer_or_all_that_is_composed(shot: Path) -> None:
    assert "subLayers" in layer_text(shot) or "references" in layer_text(shot)
    flat = layer_text(shot, flatten=True)
    assert "subLayers" not in flat
    assert 'def Skeleton "' in flat


def test_a_converted_layer_says_the_same_from_another_folder(shot: Path, tmp_path: Path) -> None:
    convert_layer(shot, tmp_path / "copy.usdc")
    assert differences(shot, tmp_path / "copy.usdc", flatten=True) == ()
    with pytest.raises(AuthorError, match="exists"):
        convert_layer(shot, tmp_path / "copy.usdc")
    convert_layer(shot, tmp_path / "copy.usdc", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.usdc"]


def test_a_source_is_never_written_to(fox: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.usdc"
    own.write_bytes(fox.read_bytes())
    for write in (
        lambda: convert_layer(own, own, overwrite=True),
        lambda: trim(own, own, 0, 1, overwrite=True),
        lambda: retime(own, own, scale=2, overwrite=True),
    ):
        with pytest.raises(AuthorError, match="is what is read"):
            write()
    assert own.read_bytes() == fox.read_bytes()
    for name, why in (("x.txt", "no layer's name"), ("nowhere/x.usda", "does not exist")):
        with pytest.raises(AuthorError, match=why):
            trim(own, tmp_path / name, 0, 1)


def test_tree_names_every_prim_and_its_samples(fox: Path) -> None:
    lines = list(tree(fox))
    assert lines[0] == "Fox SkelRoot"
    stage = Usd.Stage.Open(str(fox))
    assert len(lines) == len(list(Usd.PrimRange.Stage(stage, Usd.PrimAllPrimsPredicate)))
    rotations = next(line for line in tree(fox, attributes=True) if ".rotations" in line)
    assert "samples)" in rotations
    assert next(iter(tree(fox, under="/Fox/Skeleton"))) == "Skeleton Skeleton"
    with pytest.raises(StageNotFoundError, match="has no prim"):
        list(tree(fox, under="/Nope"))


def test_diff_tells_sublayers_and_how_they_are_moved(tmp_path: Path) -> None:
    for name in ("one", "two", "under"):
        Sdf.Layer.CreateNew(str(tmp_path / f"{name}.usda")).Save()
    one, two = (Sdf.Layer.FindOrOpen(str(tmp_path / f"{name}.usda")) for name in ("one", "two"))
    one.subLayerPaths = ["under.usda"]
    one.Save()
    (added, offsets) = differences(tmp_path / "two.usda", tmp_path / "one.usda")
    assert {text.text.split(":")[0] for text in (added, offsets)} == {"subLayers", "subLayerOffsets"}
    two.subLayerPaths = ["under.usda"]
    two.subLayerOffsets[0] = Sdf.LayerOffset(24, 2)
    two.Save()
    (moved,) = differences(tmp_path / "one.usda", tmp_path / "two.usda")
    assert moved.text == "subLayerOffsets: [(0.0, 1.0)] -> [(24.0, 2.0)]"


def test_diff_tells_prims_fields_and_samples(tmp_path: Path) -> None:
    def write(name: str, *, more: bool) -> Path:
        stage = Usd.Stage.CreateInMemory()
        prim = stage.DefinePrim("/A", "Xform")
        value = prim.CreateAttribute("x", Sdf.ValueTypeNames.Float)
        for time in range(5):
            value.Set(float(time + (0.5 if more and time == 2 else 0)), time)
        if more:
            value.Set(9.0, 7)
            stage.DefinePrim("/A/B", "Xform")
            stage.DefinePrim("/A/B/C", "Xform")
            prim.SetTypeName("Scope")
        stage.Export(str(tmp_path / name))
        return tmp_path / name

    a, b = write("a.usda", more=False), write("b.usda", more=True)
    assert differences(a, a) == ()
    found = {(d.kind, d.path): d.text for d in differences(a, b)}
    assert found == {
        ("changed", "/A"): "typeName: Xform -> Scope",
        ("changed", "/A.x"): "samples: 1 only now (7 to 7); 1 of 5 values differ (2 to 2), by 0.5 at most",
        ("added", "/A/B"): "",
    }
    assert ("removed", "/A/B") in {(d.kind, d.path) for d in differences(b, a)}
    (left,) = [d for d in differences(a, b, tolerance=0.6) if d.path == "/A.x"]
    assert left.text == "samples: 1 only now (7 to 7)"
    with pytest.raises(StageReadError):
        differences(a, tmp_path / "nowhere.usda")


def test_trimmed_motion_is_the_same_inside_the_range(fox: Path, tmp_path: Path) -> None:
    out = tmp_path / "part.usda"
    made = trim(fox, out, 10.5, 20)
    before, after = (animation(p).GetAttribute("rotations") for p in (fox, out))
    assert after.GetTimeSamples() == [10.5, *(t for t in before.GetTimeSamples() if 10.5 < t <= 20)]
    for time in (10.5, 11, 15.25, 20):
        values = [np.array([[q.real, *q.imaginary] for q in a.Get(time)]) for a in (before, after)]
        np.testing.assert_allclose(*values, atol=1e-3)
    stage = Usd.Stage.Open(str(out))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (10.5, 20)
    assert made.removed > 0
    assert made.others == ()
    with pytest.raises(AuthorError, match="no range"):
        trim(fox, tmp_path / "x.usda", 3, 2)


def test_a_range_beyond_the_samples_keeps_what_is_held_there(fox: Path, tmp_path: Path) -> None:
    last = animation(fox).GetAttribute("rotations").GetTimeSamples()[-1]
    trim(fox, tmp_path / "after.usda", last + 5, last + 9)
    held = animation(tmp_path / "after.usda").GetAttribute("rotations")
    assert held.GetTimeSamples() == [last + 5]
    assert held.Get(last + 7) == animation(fox).GetAttribute("rotations").Get(last)


def test_a_trimmed_shot_flattens_on_demand(shot: Path, tmp_path: Path) -> None:
    made = trim(shot, tmp_path / "root.usda", 0, 12)
    assert made.others
    flat = trim(shot, tmp_path / "flat.usda", 0, 12, flatten=True)
    assert flat.others == ()
    assert max(animation(tmp_path / "flat.usda").GetAttribute("rotations").GetTimeSamples()) <= 12


def test_retimed_motion_is_the_same_at_other_times(fox: Path, tmp_path: Path) -> None:
    out = tmp_path / "slow.usda"
    new = retime(fox, out, scale=2, offset=100)
    stage = Usd.Stage.Open(str(fox))
    assert new == (stage.GetStartTimeCode() * 2 + 100, stage.GetEndTimeCode() * 2 + 100)
    before, after = (animation(p).GetAttribute("rotations") for p in (fox, out))
    assert after.Get(2 * 7 + 100) == before.Get(7)
    assert after.GetTimeSamples() == [2 * t + 100 for t in before.GetTimeSamples()]
    assert out.stat().st_size < 2000
    moved = Usd.Stage.Open(str(out))
    assert moved.GetTimeCodesPerSecond() == stage.GetTimeCodesPerSecond()
    assert moved.GetDefaultPrim().GetName() == stage.GetDefaultPrim().GetName()
    with pytest.raises(AuthorError, match="out of range"):
        retime(fox, tmp_path / "x.usda", scale=0)
