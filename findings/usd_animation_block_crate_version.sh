#!/usr/bin/env bash
# usd-core 26.11: a binary layer with an AnimationBlock is marked as crate 0.8.0, and what reads 0.8.0 cannot open it.
#
# Expected: the version in a crate's header (bytes 8 to 10) says what software must support to read it. New files are 0.8.0,
# and Sdf raises that where a newer type of value is stored (the version history in crateFile.cpp: timecode 0.9.0,
# pathExpression 0.10.0, splines 0.12.0, array edits 0.14.0) with a warning. usd-core 25.5 supports 0.12.0, so it should
# open every 0.8.0, and say "version mismatch" of what it does not know.
# Instead: an AnimationBlock, a type of value that 25.5 does not have, is written without raising the version and without
# a warning. 25.5 takes the file for one that it supports and then fails on the value; the whole layer does not open,
# also where the block is on one attribute of many.
# Output seen (Python 3.11):
#   26.11 writes  plain.usdc 0.8.0, array_edit.usdc 0.14.0, animation_block.usdc 0.8.0
#   25.5 reads    plain.usdc: opens
#   25.5 reads    array_edit.usdc: Usd crate file version mismatch -- file is 0.14.0, software supports 0.12.0
#   25.5 reads    animation_block.usdc: Attempted to unpack unsupported type enum value 60
# For users: the version of a crate does not tell whether an older program can open it.
# Remedy: for older readers find the AnimationBlock values and author in the place of each the value that it leaves
# visible; a default hides the time samples of weaker layers as well.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 26.11 25.5; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet "usd-core==$version"
done

cd "$folder"
"$folder/26.11/bin/python" - 2> warnings <<'PY' || { cat warnings; exit 1; }
from pathlib import Path

from pxr import Sdf, Usd, Vt

for name in ("plain", "array_edit", "animation_block"):
    layer = Sdf.Layer.CreateNew(f"{name}.usdc")
    stage = Usd.Stage.Open(layer)
    prim = stage.DefinePrim("/Prim")
    prim.CreateAttribute("size", Sdf.ValueTypeNames.Double).Set(1.0)
    if name == "array_edit":
        edit = Vt.IntArrayEditBuilder()
        edit.Append(4)
        prim.CreateAttribute("numbers", Sdf.ValueTypeNames.IntArray).Set(edit.FinalizeAndReset())
    if name == "animation_block":
        prim.CreateAttribute("weight", Sdf.ValueTypeNames.Double)
        layer.GetAttributeAtPath("/Prim.weight").default = Sdf.AnimationBlock()
    layer.Save()

versions = {}
for name in ("plain", "array_edit", "animation_block"):
    header = Path(f"{name}.usdc").read_bytes()[:11]
    assert header[:8] == b"PXR-USDC"
    versions[name] = ".".join(str(part) for part in header[8:])
print("26.11 writes ", ", ".join(f"{name}.usdc {version}" for name, version in versions.items()))
for name in versions:  # 26.11 itself reads all of them
    stage = Usd.Stage.Open(f"{name}.usdc")
    assert stage.GetAttributeAtPath("/Prim.size").Get() == 1.0
assert versions == {"plain": "0.8.0", "array_edit": "0.14.0", "animation_block": "0.8.0"}, "the behaviour has changed"
PY
grep -q "from version 0.8.0 to 0.14.0" warnings            # of the array edit
test "$(grep -c "Upgrading crate file" warnings)" -eq 1    # and of nothing else

"$folder/25.5/bin/python" - <<'PY'
from pxr import Tf, Usd


def opening(name):
    try:
        stage = Usd.Stage.Open(f"{name}.usdc")
    except Tf.ErrorException as error:
        return str(error).split(" : '")[1].split("'")[0]
    return "opens" if stage.GetAttributeAtPath("/Prim.size").Get() == 1.0 else "has another value"


said = {name: opening(name) for name in ("plain", "array_edit", "animation_block")}
for name, line in said.items():
    print(f"25.5 reads    {name}.usdc: {line}")
assert said["plain"] == "opens"
assert "version mismatch" in said["array_edit"], "the behaviour has changed"
assert "unsupported type enum value" in said["animation_block"], "the behaviour has changed"
PY
echo "As described: the AnimationBlock is in a crate of version 0.8.0, which a reader of 0.12.0 cannot open."
