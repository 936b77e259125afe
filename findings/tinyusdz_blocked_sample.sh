#!/usr/bin/env bash
# tinyusdz 0.9.4: one blocked sample in a binary layer takes all other time samples of the attribute with it.
#
# Expected: None among time samples is a value block, which the reference (SdfValueBlock) calls an opinion for "an attribute's
# default value or time sample value that represents having no value": it ends the sample before, and the others stay. Of a
# text layer tinyusdz gives all of them, and the same content in a binary layer should give the same.
# Instead: of the binary layer it gives none for that attribute, of whatever type, and writes an empty table when it
# exports. There is no error and no warning; attributes without a block are complete.
# Output seen (Python 3.11), times of samples:
#                                height          blocked         blocked_many
#   usd-core 26.11, shot.usda    0 20 40         0 20 40         0 20 40
#   usd-core 26.11, shot.usdc    0 20 40         0 20 40         0 20 40
#   tinyusdz 0.9.4, shot.usda    0 20 40         0 20 40         0 20 40
#   tinyusdz 0.9.4, shot.usdc    0 20 40         none            none
# For users: an animation with one gap looks as if it had never been animated, and is lost on saving.
# Remedy: convert such layers to text first (usdcat, or Sdf.Layer.Export), or author values in the place of blocks.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11 tinyusdz==0.9.4

cd "$folder"
cat > shot.usda <<'USD'
#usda 1.0

def "Prim"
{
    custom double height.timeSamples = {
        0: 1,
        20: 2,
        40: 3,
    }
    custom double blocked.timeSamples = {
        0: 1,
        20: None,
        40: 3,
    }
    custom float3[] blocked_many.timeSamples = {
        0: [(0, 0, 0), (1, 0, 0)],
        20: None,
        40: [(0, 0, 1), (1, 0, 1)],
    }
}
USD
"$folder/env/bin/python" - <<'PY'
import tinyusdz
from pxr import Sdf

NAMES = ("height", "blocked", "blocked_many")
Sdf.Layer.FindOrOpen("shot.usda").Export("shot.usdc")


def with_usd(file):
    layer = Sdf.Layer.FindOrOpen(file)
    return [layer.ListTimeSamplesForPath(f"/Prim.{name}") for name in NAMES]


def with_tinyusdz(file):
    prim = tinyusdz.load(file).get_prim_at_path("/Prim")
    return [[time for time, _ in prim.get_attribute_timesamples(name)] for name in NAMES]


print(" " * 28, *(f"{name:15}" for name in NAMES))
found = {}
for reader, read in (("usd-core 26.11", with_usd), ("tinyusdz 0.9.4", with_tinyusdz)):
    for file in ("shot.usda", "shot.usdc"):
        found[reader[:3], file] = read(file)
        rows = (" ".join(f"{time:g}" for time in times) or "none" for times in found[reader[:3], file])
        print(f"{reader}, {file:12}", *(f"{row:15}" for row in rows))

whole = [[0.0, 20.0, 40.0]] * 3
assert found["usd", "shot.usda"] == found["usd", "shot.usdc"] == whole
assert found["tin", "shot.usda"] == whole
assert found["tin", "shot.usdc"] == [whole[0], [], []], "the behaviour has changed"
PY
echo "As described: in the binary layer the samples beside a block are gone."
