"""Which files a stage is made of."""

from pathlib import Path

from pxr import Sdf, Usd

from usd_io.provenance import layer_files


def test_layers_are_told_in_one_order_whatever_their_place_in_memory(tmp_path: Path) -> None:
    """What a run has done is kept under the hashes of these files in their order."""
    names = [f"layer_{(7 * number) % 31:02d}.usda" for number in range(31)]
    layers = [Sdf.Layer.CreateNew(str(tmp_path / name)) for name in names]
    for layer in layers:
        layer.Save()
    root = Sdf.Layer.CreateNew(str(tmp_path / "shot.usda"))
    root.subLayerPaths = [f"./{name}" for name in names]
    root.Save()
    found = layer_files(Usd.Stage.Open(root))
    assert [path.name for path in found] == ["shot.usda", *sorted(names)]
