"""The samples of a channel are copied as USD shows them, all at once where a layer holds them so."""

from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd, Vt

from usd_io.author import samples
from usd_io.author.samples import copy_attribute

GAP = (10.0, 20.0)


def source(frames: int, offset: float) -> tuple[Usd.Attribute, Usd.Stage]:
    """A documented channel with a default, a block and its times as samples, below another layer; its stage."""
    below, top = Sdf.Layer.CreateAnonymous(".usda"), Sdf.Layer.CreateAnonymous(".usda")
    prim = Sdf.CreatePrimInLayer(below, "/Anim")
    prim.specifier, prim.typeName = Sdf.SpecifierDef, "SkelAnimation"
    spec = Sdf.AttributeSpec(prim, "translations", Sdf.ValueTypeNames.Float3Array)
    spec.default, spec.documentation = Vt.Vec3fArray(1, (9, 9, 9)), "Of the source."
    for time in range(frames):
        below.SetTimeSample(spec.path, time, Vt.Vec3fArray(1, (time, 0, 0)))
    below.SetTimeSample(spec.path, 2, Sdf.ValueBlock())
    top.subLayerPaths.append(below.identifier)
    top.subLayerOffsets[0] = Sdf.LayerOffset(offset)
    stage = Usd.Stage.Open(top)
    return stage.GetAttributeAtPath(spec.path), stage


@pytest.mark.parametrize("offset", [0.0, -3.0])
@pytest.mark.parametrize("end", [20.0, 20.5])
@pytest.mark.parametrize("most", [0, 200])
def test_what_is_copied_is_what_usd_shows(
    offset: float, end: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_MOST_DROPPED", most)
    attribute, _stage = source(40, offset)
    made = Sdf.Layer.CreateAnonymous(".usda")
    path = copy_attribute(made, Sdf.CreatePrimInLayer(made, "/New"), attribute, ((10.0, end),))
    expected = sorted({t for t in attribute.GetTimeSamples() if not 10 < t < end} | {10.0, end})
    assert made.ListTimeSamplesForPath(path) == expected
    for time in expected:
        held, shown = made.QueryTimeSample(path, time), attribute.Get(time)
        assert isinstance(held, Sdf.ValueBlock) if shown is None else held == shown
    spec = made.GetAttributeAtPath(path)
    assert spec.default == attribute.Get()
    assert not spec.documentation


def test_samples_are_not_asked_for_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attribute, _stage = source(400, 0)
    asked = []

    class Query(Usd.AttributeQuery):
        def Get(self, time: float) -> object:
            asked.append(time)
            return super().Get(time)

    monkeypatch.setattr("usd_io.author.samples.Usd.AttributeQuery", Query)
    made = Sdf.Layer.CreateNew(str(tmp_path / "made.usdc"))
    path = copy_attribute(made, Sdf.CreatePrimInLayer(made, "/New"), attribute, (GAP,), np.arange(11.0, 20.0))
    assert made.GetNumTimeSamplesForPath(path) == 400  # those of the gap are written over
    assert len(asked) <= len(GAP)
