#!/usr/bin/env bash
# bpy 4.5.15 (Blender): a channel of a SkelAnimation is held where another channel has a sample and it has none.
#
# Expected: each attribute of a SkelAnimation has time samples of its own, and UsdSkel interpolates each linearly between
# them (rotations by slerp); Blender's importer makes keys with linear interpolation.
# Instead: the importer takes the times of all channels together and keys every channel at each of them, with the value of
# its sample before in place of the one in between. Translations at 0 and 10 beside rotations at 0, 5 and 10 give a key at
# 5 with the value of 0: the joint stands until 5 and then goes twice as fast. There is no warning.
# Output seen (Python 3.11), x of the first joint, in units of the file:
#   time                          0    2    5    7    10
#   usd-core 26.11                0.0  2.0  5.0  7.0  10.0
#   bpy 4.5.15                    0.0  0.0  0.0  4.0  10.0
#   bpy 4.5.15, no rotation at 5  0.0  2.0  5.0  7.0  10.0
# For users: a file that was thinned channel by channel moves in jerks in Blender.
# Remedy: author all channels of a SkelAnimation at the same times.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/usd" # bpy brings a pxr of its own
"$folder/usd/bin/python" -m pip install --quiet usd-core==26.11
"${PYTHON:-python3}" -m venv "$folder/blender"
"$folder/blender/bin/python" -m pip install --quiet bpy==4.5.15

cd "$folder"
cat > uneven.usda <<'USD'
#usda 1.0
(
    defaultPrim = "Rig"
    startTimeCode = 0
    endTimeCode = 10
    timeCodesPerSecond = 24
    metersPerUnit = 1
    upAxis = "Z"
)

def SkelRoot "Rig"
{
    def Skeleton "Skeleton" (
        prepend apiSchemas = ["SkelBindingAPI"]
    )
    {
        uniform token[] joints = ["hip", "hip/knee"]
        uniform matrix4d[] bindTransforms = [
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 1, 1))]
        uniform matrix4d[] restTransforms = [
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
            ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 1, 1))]
        rel skel:animationSource = </Rig/Motion>
    }

    def SkelAnimation "Motion"
    {
        uniform token[] joints = ["hip", "hip/knee"]
        float3[] translations.timeSamples = {
            0: [(0, 0, 0), (0, 0, 1)],
            10: [(10, 0, 0), (0, 0, 1)],
        }
        quatf[] rotations.timeSamples = {
            0: [(1, 0, 0, 0), (1, 0, 0, 0)],
            5: [(1, 0, 0, 0), (0.70710677, 0.70710677, 0, 0)],
            10: [(1, 0, 0, 0), (1, 0, 0, 0)],
        }
        half3[] scales = [(1, 1, 1), (1, 1, 1)]
    }
}
USD
sed '/^            5: /d' uneven.usda > even.usda

"$folder/usd/bin/python" - > usd.txt <<'PY'
from pxr import Usd, UsdSkel

stage = Usd.Stage.Open("uneven.usda")
query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton.Get(stage, "/Rig/Skeleton"))
places = [query.ComputeJointSkelTransforms(time)[0].ExtractTranslation()[0] for time in (0, 2, 5, 7, 10)]
print(*(f"{place:.1f}" for place in places), sep="  ")
PY
cat > import.py <<'PY'
import sys

import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.usd_import(filepath=sys.argv[1])
rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
places = []
for frame in (0, 2, 5, 7, 10):
    bpy.context.scene.frame_set(frame)
    places.append((rig.matrix_world @ rig.pose.bones["hip"].head)[0])
with open(sys.argv[2], "w") as file:  # Blender prints lines of its own
    print(*(f"{place:.1f}" for place in places), sep="  ", file=file)
PY
for name in uneven even; do
    "$folder/blender/bin/python" import.py "$folder/$name.usda" "$folder/$name.txt" > said 2>&1 || { cat said; exit 1; }
done

echo "time                          0    2    5    7    10"
echo "usd-core 26.11                $(cat usd.txt)"
echo "bpy 4.5.15                    $(cat uneven.txt)"
echo "bpy 4.5.15, no rotation at 5  $(cat even.txt)"
test "$(cat usd.txt)" = "0.0  2.0  5.0  7.0  10.0"
test "$(cat even.txt)" = "0.0  2.0  5.0  7.0  10.0" || { echo "the remedy helps no more"; exit 1; }
test "$(cat uneven.txt)" = "0.0  0.0  0.0  4.0  10.0" || { echo "the behaviour has changed"; exit 1; }
echo "As described: the translation is held up to the time of the rotation's sample."
