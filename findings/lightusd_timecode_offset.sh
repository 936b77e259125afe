#!/usr/bin/env bash
# lightusd 1.0.0rc4: a sublayer's offset and scale move its time samples, but not its values of the type timecode.
#
# Expected: OpenUSD maps values of the type timecode through the offsets of layers as it does the times of samples (user
# guide "Time and Animated Values": such a value is subject to "any TimeCode scaling or offsets via composition").
# lightusd says of load() that composition arcs, sublayers among them, are resolved by default.
# Instead: in one and the same layer with offset 10 and scale 2, the times of samples are mapped and the timecode is not:
# 3 stays 3, where usd-core gives 10 + 2 * 3 = 16. There is no warning.
# Output seen (Python 3.11):
#   usd-core 26.11      distance at 16: 3.0, cue: 16.0
#   lightusd 1.0.0rc4   distance at 16: 3.0, cue: 3.0
# For users: cues, trim times and other times kept as values point to the wrong frame as soon as a shot is retimed.
# Remedy: flatten the stage with usd-core before lightusd reads it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11 lightusd==1.0.0rc4

cd "$folder"
cat > clip.usda <<'USD'
#usda 1.0

def "Prim"
{
    custom double distance.timeSamples = {
        0: 0,
        5: 5,
    }
    custom timecode cue = 3
}
USD
cat > shot.usda <<'USD'
#usda 1.0
(
    subLayers = [
        @./clip.usda@ (offset = 10; scale = 2)
    ]
)
USD
"$folder/env/bin/python" - <<'PY'
import lightusd
from pxr import Usd

stage = Usd.Stage.Open("shot.usda")
flat = stage.Flatten()
flat.Export("flat.usda")
prim = stage.GetPrimAtPath("/Prim")
usd = float(prim.GetAttribute("distance").Get(16)), float(prim.GetAttribute("cue").Get(16).GetValue())


def read(file):
    prim = lightusd.load(file).prim_at("/Prim")
    return float(prim.attribute("distance").eval(16.0)), float(prim.attribute("cue").eval(16.0))


light = read("shot.usda")
print(f"usd-core 26.11      distance at 16: {usd[0]}, cue: {usd[1]}")
print(f"lightusd 1.0.0rc4   distance at 16: {light[0]}, cue: {light[1]}")
assert usd == (3.0, 16.0)
assert light == (3.0, 3.0), "the behaviour has changed"
assert read("flat.usda") == usd, "the remedy helps no more"
PY
echo "As described: lightusd maps the times of samples through the offset, and not the timecode."
