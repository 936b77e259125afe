#!/usr/bin/env bash
# usd-core 26.11: from Python, UsdSkelAnimMapper.Remap takes no default value for arrays of floats.
#
# Expected: Remap(source, target, elementSize, defaultValue) fills what the source lacks with the default value, as its reference
# says, for arrays of every type. 0.0 is the only way to write a float in Python, and 1 works for arrays of ints.
# Instead: for a FloatArray (blend shape weights) 0.0 is refused, whatever its value: "Unexpected type [double] for defaultValue:
# expecting 'float'". The binding passes it on as a double, and nothing in Python makes a float of it.
# Output seen (Python 3.11):
#   ints, default -1:     [2, -1, 0]
#   floats, no default:   [3.0, 0.0, 1.0]
#   floats, default 0.0:  Unexpected type [double] for defaultValue: expecting 'float'.
# For users: a script that maps weights to the shapes of a mesh fails as soon as mesh and animation name them in other orders.
# Remedy: leave the default value out; what the source lacks is 0 then.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11
"$folder/env/bin/python" - <<'PY'
from pxr import Tf, UsdSkel, Vt

mapper = UsdSkel.AnimMapper(["smile", "frown", "blink"], ["blink", "sneer", "smile"])
ints = list(mapper.Remap(Vt.IntArray([0, 1, 2]), Vt.IntArray(), 1, -1))
floats = list(mapper.Remap(Vt.FloatArray([1, 2, 3]), Vt.FloatArray()))
try:
    mapper.Remap(Vt.FloatArray([1, 2, 3]), Vt.FloatArray(), 1, 0.0)
    refused = ""
except Tf.ErrorException as error:
    refused = str(error).strip().split(" : ")[-1].strip("'")
print("ints, default -1:    ", ints)
print("floats, no default:  ", floats)
print("floats, default 0.0: ", refused)
assert ints == [2, -1, 0], ints
assert floats == [3.0, 0.0, 1.0], floats
assert "Unexpected type [double]" in refused, "the behaviour has changed"
PY
echo "As described: a default value for floats is refused."
