"""Samples read straight from a layer are those that the stage shows, whatever stands between the two."""

from collections.abc import Callable

import numpy as np
import pytest
from pxr import Sdf, Usd, Vt

from usd_io.sampled import BLOCK, Sampled, SampleMemory, Streamed

PATH = "/Anim.translations"


def layer_of(times: list[float], joints: int = 2, *, rate: float = 24) -> Sdf.Layer:
    """One animation whose translations are its times."""
    layer = Sdf.Layer.CreateAnonymous(".usda")
    layer.timeCodesPerSecond = rate
    prim = Sdf.CreatePrimInLayer(layer, "/Anim")
    prim.specifier, prim.typeName = Sdf.SpecifierDef, "SkelAnimation"
    spec = Sdf.AttributeSpec(prim, "translations", Sdf.ValueTypeNames.Float3Array)
    for time in times:
        layer.SetTimeSample(spec.path, time, Vt.Vec3fArray(joints, (time, 0, 1)))
    return layer


def over(layer: Sdf.Layer, offset: float = 0.0) -> Sdf.Layer:
    """A stronger layer without opinions."""
    top = Sdf.Layer.CreateAnonymous(".usda")
    top.timeCodesPerSecond = 24
    top.subLayerPaths.append(layer.identifier)
    top.subLayerOffsets[0] = Sdf.LayerOffset(offset)
    return top


def plain() -> list[Sdf.Layer]:
    return [layer_of([0, 1, 2.5])]


def below() -> list[Sdf.Layer]:
    return [over(weak := layer_of([0, 1, 2.5])), weak]


def shifted() -> list[Sdf.Layer]:
    return [over(weak := layer_of([0, 1, 2.5]), 10), weak]


def of_another_rate() -> list[Sdf.Layer]:
    return [over(weak := layer_of([0, 1, 2.5], rate=48)), weak]


def hidden_by_fewer() -> list[Sdf.Layer]:
    strong = over(weak := layer_of([0, 1, 2.5]))
    spec = Sdf.AttributeSpec(
        Sdf.CreatePrimInLayer(strong, "/Anim"), "translations", Sdf.ValueTypeNames.Float3Array
    )
    strong.SetTimeSample(spec.path, 7, Vt.Vec3fArray(2, (7, 7, 7)))
    return [strong, weak]


def blocked() -> list[Sdf.Layer]:
    layer = layer_of([0, 1, 2.5])
    layer.SetTimeSample(PATH, 1, Sdf.ValueBlock())
    return [layer]


def of_several_lengths() -> list[Sdf.Layer]:
    layer = layer_of([0, 1, 2.5])
    layer.SetTimeSample(PATH, 1, Vt.Vec3fArray(1))
    return [layer]


def of_text() -> list[Sdf.Layer]:
    layer = Sdf.Layer.CreateAnonymous(".usda")
    prim = Sdf.CreatePrimInLayer(layer, "/Anim")
    prim.specifier, prim.typeName = Sdf.SpecifierDef, "SkelAnimation"
    Sdf.AttributeSpec(prim, "translations", Sdf.ValueTypeNames.StringArray)
    layer.SetTimeSample(PATH, 1, Vt.StringArray(["a"]))
    return [layer]


def without_samples() -> list[Sdf.Layer]:
    layer = layer_of([])
    layer.GetAttributeAtPath(PATH).default = Vt.Vec3fArray(2)
    return [layer]


STAGES = [plain, below, shifted, of_another_rate, hidden_by_fewer, blocked, of_several_lengths, of_text]
ALIKE = {"plain", "below", "shifted", "of_another_rate", "hidden_by_fewer"}


@pytest.mark.parametrize("make", [*STAGES, without_samples])
@pytest.mark.parametrize("read", [Streamed.of, Sampled.of])
def test_samples_are_those_of_the_stage(
    make: Callable[[], list[Sdf.Layer]], read: Callable[[Usd.Attribute], Streamed | Sampled]
) -> None:
    layers = make()
    stage = Usd.Stage.Open(layers[0])
    attribute = stage.GetAttributeAtPath(PATH)
    found = read(attribute)
    assert found.times.tolist() == attribute.GetTimeSamples()
    rows = found.rows(found.times)
    assert (rows is not None) == (make.__name__ in ALIKE)
    if rows is not None:
        np.testing.assert_array_equal(rows, [np.array(attribute.Get(t)) for t in found.times.tolist()])
        assert found.rows(found.times + 0.25) is None or isinstance(found, Streamed)


def test_many_samples_are_read_block_by_block() -> None:
    layer = layer_of(list(range(BLOCK + 3)), joints=1)
    stage = Usd.Stage.Open(layer)
    attribute = stage.GetAttributeAtPath(PATH)
    values = Sampled.of(attribute).values
    assert values is not None
    assert values.flags.writeable
    np.testing.assert_array_equal(values[:, 0, 0], np.arange(BLOCK + 3))
    layer.SetTimeSample(PATH, BLOCK + 1, Vt.Vec3fArray(2))
    assert Sampled.of(attribute).values is None


def test_what_two_stages_share_is_read_once() -> None:
    layers = below()
    stronger = hidden_by_fewer()
    stages = [Usd.Stage.Open(layer) for layer in (*layers, stronger[0], stronger[1])]
    read = SampleMemory()
    first, same, other, weak = (read(stage.GetAttributeAtPath(PATH)) for stage in stages)
    assert first is same
    assert other.times.tolist() == [7]
    assert weak.times.tolist() == [0, 1, 2.5]


def test_a_stage_that_shows_something_else_than_its_layer_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, lying = plain()[0], layer_of([0, 1, 2.5], joints=3)
    stage = Usd.Stage.Open(layer)
    attribute = stage.GetAttributeAtPath(PATH)
    monkeypatch.setattr("usd_io.sampled.only_samples", lambda _: lying.GetAttributeAtPath(PATH))
    values = Sampled.of(attribute).values
    assert values is not None
    assert values.shape == (3, 2, 3)
