#!/usr/bin/env bash
# bpy 4.5.15 (Blender): the transform of a Skeleton prim moves the bones, and not the mesh that is bound to them.
#
# Expected: UsdSkel poses points in the space of the skeleton, so that a transform on the Skeleton prim moves its bones and
# all that is bound to it, as UsdSkel.BakeSkinning shows.
# Instead: the importer gives the transform to the armature alone. The mesh stays beside its bones, by as much as the
# Skeleton prim is moved, and follows them from there. There is no warning.
# Output seen (Python 3.11), of a Skeleton moved by 5 along x whose joint rises from 0 to 1:
#   usd-core 26.11   mesh at 0: (5.0, 0.0, 0.0)   mesh at 10: (5.0, 0.0, 1.0)
#   bpy 4.5.15       mesh at 0: (0.0, 0.0, 0.0)   mesh at 10: (0.0, 0.0, 1.0)   joint at 10: (5.0, 0.0, 1.0)
#   bpy 4.5.15, on the SkelRoot   mesh at 0: (5.0, 0.0, 0.0)   mesh at 10: (5.0, 0.0, 1.0)   joint at 10: (5.0, 0.0, 1.0)
# For users: characters that are placed on the Skeleton prim arrive with their bodies at another place.
# Remedy: place the character by a prim above the Skeleton, such as the SkelRoot.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/usd" # bpy brings a pxr of its own
"$folder/usd/bin/python" -m pip install --quiet usd-core==26.11
"${PYTHON:-python3}" -m venv "$folder/blender"
"$folder/blender/bin/python" -m pip install --quiet bpy==4.5.15

cd "$folder"
cat > skeleton.usda <<'USD'
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
        double3 xformOp:translate = (5, 0, 0)
        uniform token[] xformOpOrder = ["xformOp:translate"]
        uniform token[] joints = ["hip"]
        uniform matrix4d[] bindTransforms = [((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))]
        uniform matrix4d[] restTransforms = [((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))]
        rel skel:animationSource = </Rig/Motion>
    }

    def SkelAnimation "Motion"
    {
        uniform token[] joints = ["hip"]
        float3[] translations.timeSamples = {
            0: [(0, 0, 0)],
            10: [(0, 0, 1)],
        }
        quatf[] rotations = [(1, 0, 0, 0)]
        half3[] scales = [(1, 1, 1)]
    }

    def Mesh "Body" (
        prepend apiSchemas = ["SkelBindingAPI"]
    )
    {
        int[] faceVertexCounts = [3]
        int[] faceVertexIndices = [0, 1, 2]
        point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
        rel skel:skeleton = </Rig/Skeleton>
        int[] primvars:skel:jointIndices = [0, 0, 0] (
            elementSize = 1
            interpolation = "vertex"
        )
        float[] primvars:skel:jointWeights = [1, 1, 1] (
            elementSize = 1
            interpolation = "vertex"
        )
    }
}
USD
"$folder/usd/bin/python" - > usd.txt <<'PY'
from pxr import Sdf, Usd, UsdGeom, UsdSkel

layer = Sdf.Layer.FindOrOpen("skeleton.usda")  # the remedy: the same two attributes on the SkelRoot
for name in ("xformOp:translate", "xformOpOrder"):
    Sdf.CopySpec(layer, f"/Rig/Skeleton.{name}", layer, f"/Rig.{name}")
    skeleton = layer.GetPrimAtPath("/Rig/Skeleton")
    skeleton.RemoveProperty(skeleton.properties[name])
layer.Export("skelroot.usda")
layer.Reload(force=True)

for file in ("skeleton.usda", "skelroot.usda"):
    stage = Usd.Stage.Open(file)
    UsdSkel.BakeSkinning(UsdSkel.Root.Get(stage, "/Rig"))
    mesh = UsdGeom.Mesh.Get(stage, "/Rig/Body")
    said = []
    for time in (0, 10):
        world = UsdGeom.XformCache(time).GetLocalToWorldTransform(mesh.GetPrim())
        place = world.Transform(mesh.GetPointsAttr().Get(time)[0])
        said.append(f"mesh at {time}: {tuple(round(x, 1) for x in place)}")
    print(*said, sep="   ")
PY
cat > import.py <<'PY'
import sys

import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.usd_import(filepath=sys.argv[1])
rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
mesh = next(thing for thing in bpy.data.objects if thing.type == "MESH")
said = []
for frame in (0, 10):
    bpy.context.scene.frame_set(frame)
    posed = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    place = posed.matrix_world @ posed.data.vertices[0].co
    said.append(f"mesh at {frame}: {tuple(round(x, 1) for x in place)}")
place = rig.matrix_world @ rig.pose.bones["hip"].head
said.append(f"joint at 10: {tuple(round(x, 1) for x in place)}")
with open(sys.argv[2], "w") as file:  # Blender prints lines of its own
    print(*said, sep="   ", file=file)
PY
for name in skeleton skelroot; do
    "$folder/blender/bin/python" import.py "$folder/$name.usda" "$folder/$name.txt" > said 2>&1 || { cat said; exit 1; }
done

echo "usd-core 26.11   $(head -n 1 usd.txt)"
echo "bpy 4.5.15       $(cat skeleton.txt)"
echo "bpy 4.5.15, on the SkelRoot   $(cat skelroot.txt)"
moved="mesh at 0: (5.0, 0.0, 0.0)   mesh at 10: (5.0, 0.0, 1.0)"
joint="joint at 10: (5.0, 0.0, 1.0)"
test "$(cat usd.txt)" = "$moved"$'\n'"$moved"
test "$(cat skelroot.txt)" = "$moved   $joint" || { echo "the remedy helps no more"; exit 1; }
test "$(cat skeleton.txt)" = "mesh at 0: (0.0, 0.0, 0.0)   mesh at 10: (0.0, 0.0, 1.0)   $joint" ||
    { echo "the behaviour has changed"; exit 1; }
echo "As described: the bones are where the Skeleton prim is, and the mesh is not."
