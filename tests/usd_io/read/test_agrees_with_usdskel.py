"""What we compute from the arrays we read is what UsdSkel computes from the stage."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt

from engine.geometry.skeleton import blend_points, joint_transforms, skin_points
from engine.rendering.actors import Actors
from engine.rendering.numpy_renderer import posed_points
from usd_io import convert
from usd_io.diagnostics import captured
from usd_io.errors import StageReadError
from usd_io.model import Character, Motion
from usd_io.read.character import Skinned, find_skinned, read_bound_character
from usd_io.read.motion import read_motion
from usd_io.read.stage import find_skeletons, open_stage

TOLERANCE = 1e-5
"""Of the character's size."""


def test_every_asset_moves_as_in_usdskel(stage_file: Path) -> None:
    with captured():
        stage = open_stage(stage_file)
        skinned = find_skinned(stage)
        for info in find_skeletons(stage):
            if info.sample_count >= 2:
                motion = read_motion(stage, info.path)
                chosen = np.unique(np.linspace(0, len(motion.times) - 1, 4).astype(int))
                compare(stage, skinned, read_bound_character(stage, info.path, skinned), motion.at(chosen))


def test_between_the_samples_too(two_bone_arm: Path, z_up_centimetres: Path, shuffled_joints: Path) -> None:
    for path in (two_bone_arm, z_up_centimetres, shuffled_joints):
        stage = open_stage(path)
        skinned = find_skinned(stage)
        motion = read_motion(stage, "/Arm/Skel", np.array([0.0, 1.7, 4.4, 9.0, 20.0]))
        compare(stage, skinned, read_bound_character(stage, "/Arm/Skel", skinned), motion)


def test_points_that_are_animated_too(arm_stage: Usd.Stage) -> None:
    points = arm_stage.GetPrimAtPath("/Arm/Skin").GetAttribute("points")
    first = np.array(points.Get())
    for time, size in ((2.0, 1.0), (9.0, 3.0)):
        points.Set(Vt.Vec3fArray.FromNumpy((first * size).astype(np.float32)), time)
    skinned = find_skinned(arm_stage)
    motion = read_motion(arm_stage, "/Arm/Skel", np.array([0.0, 2.0, 4.5, 9.0, 20.0]))
    compare(arm_stage, skinned, read_bound_character(arm_stage, "/Arm/Skel", skinned), motion)


def compare(stage: Usd.Stage, skinned: Skinned, character: Character, motion: Motion) -> None:
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(character.skeleton_path))
    query = skinned.cache.GetSkelQuery(skeleton)
    T_skel_joint = joint_transforms(character, motion)
    tolerance = TOLERANCE * size_of(character, T_skel_joint) * (1 + drift(query, motion) / TOLERANCE)
    for frame, time in enumerate(motion.times):
        cache = UsdGeom.XformCache(float(time))
        T_world_skel = convert.matrix(cache.GetLocalToWorldTransform(skeleton.GetPrim()))
        np.testing.assert_array_equal(motion.T_world_skel[frame], T_world_skel)
        if character.joints:
            expected = convert.matrices(query.ComputeJointSkelTransforms(float(time)))
            np.testing.assert_allclose(
                T_skel_joint[frame, :, :3, 3], expected[:, :3, 3], rtol=0, atol=tolerance
            )
            linear = T_skel_joint[frame, :, :3, :3], expected[:, :3, :3]
            np.testing.assert_allclose(
                *linear, rtol=0, atol=5 * TOLERANCE * max(1, np.abs(expected[:, :3, :3]).max())
            )
    meshes = {mesh.path: mesh for mesh in character.meshes}
    for target in skinned.targets.get(skeleton.GetPrim().GetPath(), []):
        mesh = meshes.get(str(target.GetPrim().GetPath()))
        if mesh is None:
            assert target.GetPrim().GetTypeName() != "Mesh" or character.warnings
        elif mesh.joint_weights.shape[1]:
            skinned_points = skin_points(
                mesh, character.T_skel_joint_bind, T_skel_joint, blend_points(mesh, motion)
            )
            for frame, time in enumerate(motion.times):
                np.testing.assert_allclose(
                    skinned_points[frame], usd_points(query, target, time), rtol=0, atol=tolerance
                )


def size_of(character: Character, T_skel_joint: np.ndarray) -> float:
    extents = [np.ptp(mesh.points @ mesh.T_skel_mesh[:3, :3].T, axis=0).max() for mesh in character.meshes]
    if character.joints:
        extents.append(np.ptp(T_skel_joint[..., :3, 3], axis=1).max())
    return float(max(extents, default=1.0))


def drift(query: UsdSkel.SkeletonQuery, motion: Motion) -> float:
    """Rounding of hand-written quaternions: USD uses them as they are, and we normalise them."""
    if motion.animation_path == "" or not len(query.GetAnimQuery().GetJointOrder()):
        return 0.0
    rotations = UsdSkel.Animation(query.GetAnimQuery().GetPrim()).GetRotationsAttr()
    lengths = [
        np.linalg.norm(convert.quaternions(rotations.Get(t)).astype(float), axis=1) for t in motion.times
    ]
    off = float(np.abs(np.array(lengths) - 1).max())
    return 4 * off if off > 1e-6 else 0.0


def usd_points(query: UsdSkel.SkeletonQuery, target: UsdSkel.SkinningQuery, time: float) -> np.ndarray:
    points = UsdGeom.PointBased(target.GetPrim()).GetPointsAttr().Get(float(time))
    transforms = query.ComputeSkinningTransforms(float(time))
    assert target.ComputeSkinnedPoints(transforms, points, float(time))
    return convert.floats(points)


def test_blend_shapes_move_points_as_in_usdskel(stage_file: Path) -> None:
    stage = open_stage(stage_file)
    skinned = find_skinned(stage)
    for info in find_skeletons(stage):
        targets = [
            t for t in skinned.targets.get(stage.GetPrimAtPath(info.path).GetPath(), []) if t.HasBlendShapes()
        ]
        if targets and info.sample_count >= 2:
            check_blend_shapes(stage, skinned, info.path, targets)


def check_blend_shapes(
    stage: Usd.Stage, skinned: Skinned, path: str, targets: list[UsdSkel.SkinningQuery]
) -> None:
    character = read_bound_character(stage, path, skinned)
    motion = read_motion(stage, path)
    motion = motion.at(slice(None, None, max(1, len(motion.times) // 20)))
    animation = skinned.cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(path))).GetAnimQuery()
    for target in targets:
        mesh = next(m for m in character.meshes if m.path == str(target.GetPrim().GetPath()))
        ours = blend_points(mesh, motion)
        for frame, time in enumerate(motion.times):
            weights = target.GetBlendShapeMapper().Remap(
                animation.ComputeBlendShapeWeights(float(time)), Vt.FloatArray()
            )
            np.testing.assert_allclose(
                ours[frame], usd_blend(target, weights), atol=1e-5 * np.ptp(mesh.points)
            )


def usd_blend(target: UsdSkel.SkinningQuery, weights: list[float]) -> np.ndarray:
    shapes = UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(target.GetPrim()))
    points = UsdGeom.PointBased(target.GetPrim()).GetPointsAttr().Get(Usd.TimeCode.EarliestTime())
    sub_weights = shapes.ComputeSubShapeWeights(weights)
    assert shapes.ComputeDeformedPoints(
        *sub_weights, shapes.ComputeBlendShapePointIndices(), shapes.ComputeSubShapePointOffsets(), points
    )
    return convert.floats(points)


def test_an_ignored_animation_is_refused_rather_than_read(arm_stage: Usd.Stage) -> None:
    """USD shows the rest pose without a word when scales are missing."""
    animation = UsdSkel.Animation(arm_stage.GetPrimAtPath("/Arm/Skel/Wave"))
    animation.GetScalesAttr().Clear()
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(arm_stage.GetPrimAtPath("/Arm/Skel")))
    rest = query.ComputeJointLocalTransforms(Usd.TimeCode(5), True)
    assert query.ComputeJointLocalTransforms(Usd.TimeCode(5)) == rest
    with pytest.raises(StageReadError, match="scales is missing"):
        read_motion(arm_stage, "/Arm/Skel")


def test_skin_weights_that_change_in_time(arm_stage: Usd.Stage) -> None:
    """Weights go over from one joint to the other between 2 and 6, joints are exchanged at 7, the bind pose moves."""
    binding = UsdSkel.BindingAPI(arm_stage.GetPrimAtPath("/Arm/Skin"))
    weights, indices = binding.GetJointWeightsPrimvar(), binding.GetJointIndicesPrimvar()
    first = np.array(weights.Get())
    weights.Set(Vt.FloatArray.FromNumpy(first), 2)
    weights.Set(Vt.FloatArray.FromNumpy(first[::-1].copy()), 6)
    indices.Set([0, 1] * 10, 2)
    indices.Set([1, 0] * 10, 7)
    binding.GetGeomBindTransformAttr().Set(Gf.Matrix4d().SetTranslate((0, 0.5, 0)), 1)
    binding.GetGeomBindTransformAttr().Set(Gf.Matrix4d().SetTranslate((0, 0.5, 2)), 9)
    skinned = find_skinned(arm_stage)
    motion = read_motion(arm_stage, "/Arm/Skel", np.array([0.0, 2.0, 3.5, 6.0, 6.9, 7.0, 8.0, 20.0]))
    character = read_bound_character(arm_stage, "/Arm/Skel", skinned)
    assert character.meshes[0].reskinned
    for frame, time in enumerate(motion.times):
        compare(arm_stage, skinned, character.at(float(time)), motion.at(slice(frame, frame + 1)))
    (points,) = posed_points([character], [motion])
    theirs = Actors([character], [motion], torch.zeros((), dtype=torch.float64)).vertices(slice(None))
    np.testing.assert_allclose(points, theirs.numpy(), atol=1e-9)
    one = [
        next(posed_points([character.at(t)], [motion.at(slice(i, i + 1))]))[0]
        for i, t in enumerate(motion.times)
    ]
    np.testing.assert_allclose(points, one, atol=1e-9)


def test_a_mesh_without_weights_stands_where_the_stage_has_it(arm_stage: Usd.Stage) -> None:
    """Skeleton and mesh each have an animated transform of their own."""
    prim = arm_stage.GetPrimAtPath("/Arm/Skin")
    for name in ("jointIndices", "jointWeights"):
        prim.RemoveProperty(f"primvars:skel:{name}")
    for path, step in (("/Arm/Skin", 1.0), ("/Arm/Skel", 3.0)):
        moved = UsdGeom.Xformable(arm_stage.GetPrimAtPath(path)).AddTranslateOp()
        for time in (1, 5, 9):
            moved.Set((step * time, 0, 0), time)
    skinned = find_skinned(arm_stage)
    motion = read_motion(arm_stage, "/Arm/Skel", np.array([1.0, 3.0, 9.0]))
    character = read_bound_character(arm_stage, "/Arm/Skel", skinned)
    (points,) = posed_points([character], [motion])
    own = np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get())
    np.testing.assert_allclose(points - own, np.tile([[[1.0, 0, 0]], [[3, 0, 0]], [[9, 0, 0]]], (1, 10, 1)))
