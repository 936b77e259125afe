import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel

from usd_io.errors import StageNotFoundError, StageReadError
from usd_io.model import Character, Mesh
from usd_io.read.character import read_character
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import open_stage, read_shot

ARM = "/Arm/Skel"


def read(stage: Usd.Stage) -> Character:
    return read_character(stage, ARM)


def skin(stage: Usd.Stage) -> UsdGeom.Mesh:
    return UsdGeom.Mesh(stage.GetPrimAtPath("/Arm/Skin"))


def test_reads_skeleton_and_skin(arm_stage: Usd.Stage) -> None:
    arm = read(arm_stage)
    assert arm.name == "Arm"
    assert arm.joints == ("Shoulder", "Shoulder/Elbow")
    np.testing.assert_array_equal(arm.parents, [-1, 0])
    np.testing.assert_array_equal(arm.T_skel_joint_bind[1, :3, 3], [2, 0, 0])
    np.testing.assert_array_equal(arm.rest_translations, [[0, 0, 0], [2, 0, 0]])
    assert (arm.up_axis, arm.meters_per_unit, arm.warnings) == ("Y", 1, ())
    mesh = arm.meshes[0]
    assert mesh.points.shape == (10, 3)
    np.testing.assert_array_equal(mesh.T_skel_mesh[:3, 3], [0, 0.5, 0])
    # the mesh names the elbow first
    np.testing.assert_array_equal(mesh.joint_indices[0], [1, 0])
    np.testing.assert_allclose(mesh.joint_weights[2], [0.25, 0.75])
    assert arm.observable.all()


def test_meshes_can_be_left_out(arm_stage: Usd.Stage) -> None:
    assert read_character(arm_stage, ARM, meshes=False).meshes == ()


def test_stage_axis_and_unit_are_kept(z_up_centimetres: Path) -> None:
    arm = read(open_stage(z_up_centimetres))
    assert (arm.up_axis, arm.meters_per_unit) == ("Z", 0.01)


def test_rigid_influences_are_expanded_to_every_point(arm_stage: Usd.Stage) -> None:
    binding = UsdSkel.BindingAPI(skin(arm_stage))
    for primvar, value in (
        (binding.CreateJointIndicesPrimvar(True, 2), [1, 0]),
        (binding.CreateJointWeightsPrimvar(True, 2), [0.75, 0.25]),
    ):
        primvar.Set(value)
    mesh = read(arm_stage).meshes[0]
    np.testing.assert_array_equal(mesh.joint_indices, [[0, 1]] * 10)
    np.testing.assert_allclose(mesh.joint_weights, [[0.75, 0.25]] * 10)


def test_weights_stay_as_usd_takes_them_with_a_warning(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(skin(arm_stage)).GetJointWeightsPrimvar().Set([0.5, 0.75] + [0, 0] + [0.5] * 16)
    arm = read(arm_stage)
    np.testing.assert_array_equal(arm.meshes[0].joint_weights[:3], [[0.5, 0.75], [0, 0], [0.5, 0.5]])
    assert "the weights of 1 point do not add up to 1" in arm.warnings[0]
    assert "no skin weight on 1 point" in arm.warnings[1]


@pytest.mark.parametrize("bad", [-1, 2, 2**31 - 1])
def test_influences_of_unknown_joints_are_dropped_with_a_warning(arm_stage: Usd.Stage, bad: int) -> None:
    UsdSkel.BindingAPI(skin(arm_stage)).GetJointIndicesPrimvar().Set([bad, 1] + [0, 1] * 9)
    UsdSkel.BindingAPI(skin(arm_stage)).GetJointWeightsPrimvar().Set([0.5] * 20)
    arm = read(arm_stage)
    assert "1 joint influences name no joint" in arm.warnings[0]
    np.testing.assert_array_equal(arm.meshes[0].joint_weights[0], [0, 0.5])


def test_influences_that_do_not_fit_leave_the_mesh_unskinned(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(skin(arm_stage)).GetJointWeightsPrimvar().Set([1.0] * 6)
    arm = read(arm_stage)
    assert arm.meshes[0].joint_weights.shape == (10, 0)
    assert any("stays unskinned" in w for w in arm.warnings)


def test_a_mesh_joint_the_skeleton_lacks_is_a_warning(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(skin(arm_stage)).GetJointsAttr().Set(["Tail", "Shoulder"])
    arm = read(arm_stage)
    assert "such as Tail, are none of </Arm/Skel>" in arm.warnings[0]
    np.testing.assert_array_equal(arm.weighted, [True, False])


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("points", [], "no points"),
        ("points", [(float("nan"), 0, 0)] * 10, "not finite"),
        ("faceVertexCounts", [4, 4], "add up to 8"),
        ("faceVertexIndices", [99] * 16, "beyond its 10 points"),
        ("faceVertexIndices", [-1] * 16, "beyond its 10 points"),
    ],
)
def test_unusable_topology_leaves_the_mesh_out(
    arm_stage: Usd.Stage, attribute: str, value: list, why: str
) -> None:
    skin(arm_stage).GetPrim().GetAttribute(attribute).Set(value)
    arm = read(arm_stage)
    assert arm.meshes == ()
    assert why in arm.warnings[0]


def test_what_is_no_mesh_is_named(arm_stage: Usd.Stage) -> None:
    curves = UsdGeom.BasisCurves.Define(arm_stage, "/Arm/Hair")
    UsdSkel.BindingAPI.Apply(curves.GetPrim()).CreateSkeletonRel().SetTargets([Sdf.Path(ARM)])
    assert read(arm_stage).warnings == (
        "1 bound prims are no meshes and are left out: BasisCurves </Arm/Hair>.",
    )


@pytest.mark.parametrize("hide", ["invisible", "proxy"])
def test_hidden_meshes_are_left_out_by_name(arm_stage: Usd.Stage, hide: str) -> None:
    image = UsdGeom.Imageable(skin(arm_stage))
    if hide == "proxy":
        image.CreatePurposeAttr("proxy")
    else:
        image.MakeInvisible()
    arm = read(arm_stage)
    assert arm.meshes == ()
    assert "</Arm/Skin>" in arm.warnings[0]


def test_sheared_rest_is_a_warning_that_names_the_joint(arm_stage: Usd.Stage) -> None:
    sheared = Gf.Matrix4d(1)
    sheared[1, 0] = 0.5
    arm_stage.GetAttributeAtPath("/Arm/Skel.restTransforms").Set([Gf.Matrix4d(1), sheared])
    assert "the restTransforms of 1 joint are sheared (Shoulder/Elbow)" in read(arm_stage).warnings[0]


def test_a_missing_rest_pose_is_taken_from_the_bind_pose(arm_stage: Usd.Stage) -> None:
    arm_stage.GetAttributeAtPath("/Arm/Skel.restTransforms").Clear()
    arm = read(arm_stage)
    np.testing.assert_array_equal(arm.rest_translations, [[0, 0, 0], [2, 0, 0]])
    assert "0 restTransforms for 2 joints" in arm.warnings[0]


@pytest.mark.parametrize("bind", [[], [Gf.Matrix4d(0)] * 2, [Gf.Matrix4d(float("nan"))] * 2])
def test_an_unusable_bind_pose_leaves_the_meshes_out(arm_stage: Usd.Stage, bind: list[Gf.Matrix4d]) -> None:
    arm_stage.GetAttributeAtPath("/Arm/Skel.bindTransforms").Set(bind)
    arm = read(arm_stage)
    assert arm.meshes == ()
    assert any("the bindTransforms are missing or not invertible" in w for w in arm.warnings)
    np.testing.assert_allclose(arm.T_skel_joint_bind[1, :3, 3], [2, 0, 0])


def test_a_rest_pose_that_is_not_finite_is_refused(arm_stage: Usd.Stage) -> None:
    bad = Gf.Matrix4d(float("inf"))
    arm_stage.GetAttributeAtPath("/Arm/Skel.restTransforms").Set([Gf.Matrix4d(1), bad])
    with pytest.raises(StageReadError, match="the restTransform of joint Shoulder/Elbow is not finite"):
        read(arm_stage)


def test_orientation_sides_and_method_are_read(arm_stage: Usd.Stage) -> None:
    skin(arm_stage).CreateOrientationAttr("leftHanded")
    skin(arm_stage).CreateDoubleSidedAttr(True)
    UsdSkel.BindingAPI(skin(arm_stage)).CreateSkinningMethodAttr("dualQuaternion")
    mesh = read(arm_stage).meshes[0]
    assert (mesh.left_handed, mesh.double_sided, mesh.skinning_method) == (True, True, "dualQuaternion")


def test_an_unskinned_mesh_stays_where_the_stage_puts_it(arm_stage: Usd.Stage) -> None:
    hat = UsdGeom.Mesh.Define(arm_stage, "/Arm/Hat")
    hat.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (0, 1, 0)])
    hat.CreateFaceVertexCountsAttr([3])
    hat.CreateFaceVertexIndicesAttr([0, 1, 2])
    hat.AddTranslateOp().Set((0, 3, 0))
    UsdSkel.BindingAPI.Apply(hat.GetPrim()).CreateSkeletonRel().SetTargets([Sdf.Path(ARM)])
    mesh = next(m for m in read(arm_stage).meshes if m.path == "/Arm/Hat")
    assert mesh.joint_weights.shape == (3, 0)
    np.testing.assert_array_equal(mesh.T_skel_mesh[:3, 3], [0, 3, 0])


def add_primvar(
    stage: Usd.Stage,
    name: str,
    kind: Sdf.ValueTypeName,
    interpolation: str,
    values: list,
    indices: list[int] | None = None,
) -> Mesh:
    primvar = UsdGeom.PrimvarsAPI(skin(stage)).CreatePrimvar(name, kind, interpolation)
    primvar.Set(values)
    if indices is not None:
        primvar.SetIndices(indices)
    return read(stage).meshes[0]


def test_indexed_coordinates_are_resolved(arm_stage: Usd.Stage) -> None:
    kind = Sdf.ValueTypeNames.TexCoord2fArray
    uv = add_primvar(arm_stage, "st", kind, "faceVarying", [(0, 0), (1, 0.5)], [0, 1] * 8).uv
    assert uv is not None
    assert uv.interpolation == "faceVarying"
    np.testing.assert_array_equal(uv.values, [[0, 0], [1, 0.5]] * 8)


def test_coordinates_of_another_name_are_found(arm_stage: Usd.Stage) -> None:
    kind = Sdf.ValueTypeNames.TexCoord2fArray
    assert add_primvar(arm_stage, "UVMap", kind, "varying", [(0, 0)] * 10).uv.interpolation == "vertex"  # type: ignore[union-attr]


@pytest.mark.parametrize(("interpolation", "count"), [("constant", 1), ("uniform", 4), ("vertex", 10)])
def test_display_colours_keep_their_interpolation(
    arm_stage: Usd.Stage, interpolation: str, count: int
) -> None:
    kind = Sdf.ValueTypeNames.Color3fArray
    colour = add_primvar(
        arm_stage, "displayColor", kind, interpolation, [(0.1, 0.2, 0.3)] * count
    ).display_color
    assert colour is not None
    assert colour.interpolation == interpolation
    assert colour.values.shape == (count, 3)


def test_primvars_that_do_not_fit_are_left_out_with_a_warning(arm_stage: Usd.Stage) -> None:
    mesh = add_primvar(arm_stage, "displayColor", Sdf.ValueTypeNames.Color3fArray, "vertex", [(1, 1, 1)] * 3)
    assert mesh.display_color is None
    assert "3 values for 10 (vertex)" in read(arm_stage).warnings[0]


def add_material(stage: Usd.Stage, name: str, colour: tuple[float, float, float]) -> UsdShade.Material:
    material = UsdShade.Material.Define(stage, f"/Arm/{name}")
    shader = UsdShade.Shader.Define(stage, f"/Arm/{name}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(colour)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def test_subsets_choose_the_material_of_their_faces(arm_stage: Usd.Stage) -> None:
    red, blue = add_material(arm_stage, "Red", (1, 0, 0)), add_material(arm_stage, "Blue", (0, 0, 1))
    UsdShade.MaterialBindingAPI.Apply(skin(arm_stage).GetPrim()).Bind(red)
    binding = UsdShade.MaterialBindingAPI(skin(arm_stage))
    subset = binding.CreateMaterialBindSubset("tip", [3, 77])
    UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(blue)
    mesh = read(arm_stage).meshes[0]
    assert [m.diffuse_color for m in mesh.materials] == [(1, 0, 0), (0, 0, 1)]
    np.testing.assert_array_equal(mesh.face_material, [0, 0, 0, 1])


def test_colour_through_an_interface_input_is_found(arm_stage: Usd.Stage) -> None:
    material = add_material(arm_stage, "Green", (1, 0, 0))
    interface = material.CreateInput("colour", Sdf.ValueTypeNames.Color3f)
    interface.Set((0, 1, 0))
    UsdShade.Shader(arm_stage.GetPrimAtPath("/Arm/Green/Surface")).GetInput("diffuseColor").ConnectToSource(
        interface
    )
    UsdShade.MaterialBindingAPI.Apply(skin(arm_stage).GetPrim()).Bind(material)
    assert read(arm_stage).meshes[0].materials[0].diffuse_color == (0, 1, 0)


def add_texture(stage: Usd.Stage, file: str) -> Character:
    material = add_material(stage, "Cloth", (1, 1, 1))
    texture = UsdShade.Shader.Define(stage, "/Arm/Cloth/Texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(file)
    output = texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    UsdShade.Shader(stage.GetPrimAtPath("/Arm/Cloth/Surface")).GetInput("diffuseColor").ConnectToSource(
        output
    )
    UsdShade.MaterialBindingAPI.Apply(skin(stage).GetPrim()).Bind(material)
    return read(stage)


def test_a_texture_is_found_beside_its_layer(two_bone_arm: Path) -> None:
    (two_bone_arm.parent / "cloth.png").write_bytes(b"pixels")
    arm = add_texture(Usd.Stage.Open(str(two_bone_arm)), "./cloth.png")
    texture = arm.meshes[0].materials[0].texture
    assert texture is not None
    assert read_texture_bytes(texture) == b"pixels"
    assert arm.warnings == ()


@pytest.mark.parametrize(
    ("file", "why"),
    [("./gone.png", "./gone.png is left out, it is not found"), ("./t.<UDIM>.png", "UDIM")],
)
def test_a_texture_that_cannot_be_used_is_named(arm_stage: Usd.Stage, file: str, why: str) -> None:
    arm = add_texture(arm_stage, file)
    assert arm.meshes[0].materials[0].texture is None
    assert why in arm.warnings[0]


@pytest.mark.parametrize("file", ["fox/fox.usdc", "edge/fox_survey.usdz"])
def test_the_fox_has_its_texture_packed_or_not(data: Path, file: str) -> None:
    fox = read_shot(data / file).characters[0]
    mesh = fox.meshes[0]
    assert mesh.uv is not None
    assert mesh.uv.values.shape == (len(mesh.face_vertices), 2)
    texture = mesh.materials[0].texture
    assert texture is not None
    assert read_texture_bytes(texture) == (data / "fox/textures/fox_material.png").read_bytes()


@pytest.mark.parametrize("path", ["", "/nowhere/\x07.png", "nowhere.usdz[t.png]"])
def test_a_texture_that_cannot_be_opened_is_refused(path: str) -> None:
    with pytest.raises(StageNotFoundError) as error:
        read_texture_bytes(path)
    assert str(error.value).isprintable()


def test_blend_shapes_with_in_betweens_are_read(arm_stage: Usd.Stage) -> None:
    add_blend_shape(arm_stage)
    shape = read(arm_stage).meshes[0].blend_shapes[0]
    assert shape.name == "bulge"
    np.testing.assert_array_equal(shape.vertices, [2, 3])
    np.testing.assert_array_equal(shape.weights, [0.5, 1])
    np.testing.assert_array_equal(shape.offsets[:, 0], [[0, 0, 3], [0, 0, 1]])


def add_blend_shape(stage: Usd.Stage) -> UsdSkel.BlendShape:
    shape = UsdSkel.BlendShape.Define(stage, "/Arm/Skin/bulge")
    shape.CreateOffsetsAttr([(0, 0, 1)] * 2)
    shape.CreatePointIndicesAttr([2, 3])
    between = shape.CreateInbetween("half")
    between.SetWeight(0.5)
    between.SetOffsets([(0, 0, 3)] * 2)
    binding = UsdSkel.BindingAPI(skin(stage))
    binding.CreateBlendShapesAttr(["bulge"])
    binding.CreateBlendShapeTargetsRel().SetTargets([shape.GetPath()])
    return shape


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shape: shape.GetOffsetsAttr().Set([(0, 0, 1)]),
        lambda shape: shape.GetPointIndicesAttr().Set([2, 99]),
        lambda shape: shape.GetPrim().GetStage().RemovePrim(shape.GetPath()),
    ],
)
def test_unusable_blend_shapes_are_left_out_with_a_warning(
    arm_stage: Usd.Stage, spoil: Callable[[UsdSkel.BlendShape], None]
) -> None:
    spoil(add_blend_shape(arm_stage))
    arm = read(arm_stage)
    assert arm.meshes[0].blend_shapes == ()
    assert any("bulge" in w and "left out" in w for w in arm.warnings)


def test_visibility_is_read_at_each_time(arm_stage: Usd.Stage) -> None:
    image = UsdGeom.Imageable(skin(arm_stage))
    image.GetVisibilityAttr().Set(UsdGeom.Tokens.invisible, 1)
    image.GetVisibilityAttr().Set(UsdGeom.Tokens.inherited, 5)
    mesh = read(arm_stage).meshes[0]
    np.testing.assert_array_equal(mesh.seen(np.array([0.0, 4.9, 5.0, 9.0])), [False, False, True, True])


def test_a_mesh_whose_bind_transform_is_no_number_is_left_out_with_a_warning(arm_stage: Usd.Stage) -> None:
    path = read(arm_stage).meshes[0].path
    UsdSkel.BindingAPI(skin(arm_stage)).CreateGeomBindTransformAttr(Gf.Matrix4d(float("nan")))
    character = read(arm_stage)
    assert path not in [mesh.path for mesh in character.meshes]
    assert any("geomBindTransform is not finite" in warning for warning in character.warnings)


def test_an_empty_texture_and_a_pipe_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("empty.png", "pipe.png"):
        with pytest.raises(StageNotFoundError, match=name):
            read_texture_bytes(str(tmp_path / name))


def test_colours_are_read_at_each_time(arm_stage: Usd.Stage) -> None:
    """As USD has them: linear between samples, none where they are blocked."""
    material = add_material(arm_stage, "Blush", (1, 1, 1))
    UsdShade.MaterialBindingAPI.Apply(skin(arm_stage).GetPrim()).Bind(material)
    diffuse = (
        UsdShade.Shader(arm_stage.GetPrimAtPath("/Arm/Blush/Surface")).GetInput("diffuseColor").GetAttr()
    )
    display = skin(arm_stage).CreateDisplayColorAttr()
    for time, red in ((1, 0.0), (5, 1.0), (9, 0.5)):
        diffuse.Set((red, 0.25, 0), time)
        display.Set([(0, red, 1)], time)
    display.Set(Sdf.ValueBlock(), 12)
    mesh = read(arm_stage).meshes[0]
    assert mesh.recoloured
    assert not mesh.reskinned
    for time in (0.0, 1.0, 2.0, 5.0, 8.0, 9.0, 20.0):
        now = mesh.at(time)
        np.testing.assert_allclose(now.materials[0].diffuse_color, diffuse.Get(time), atol=1e-6)
        if time < 12:
            assert now.display_color is not None
            np.testing.assert_allclose(now.display_color.values, display.Get(time), atol=1e-6)
        else:
            assert display.Get(time) is None
            assert now.display_color is None


def test_pictures_of_a_texture_follow_each_other(arm_stage: Usd.Stage, tmp_path: Path) -> None:
    add_texture(arm_stage, "one.png")
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(b"an image")
    texture = UsdShade.Shader(arm_stage.GetPrimAtPath("/Arm/Cloth/Texture")).GetInput("file").GetAttr()
    for time, name in ((1, "one.png"), (5, "two.png"), (9, "gone.png")):
        texture.Set(Sdf.AssetPath(str(tmp_path / name)), time)
    character = read(arm_stage)
    (material,) = character.meshes[0].materials
    found = [material.at(time).texture for time in (0.0, 4.9, 5.0, 9.0)]
    assert found == [str(tmp_path / "one.png")] * 2 + [str(tmp_path / "two.png"), None]
    assert any("gone.png is left out" in warning for warning in character.warnings)


def test_colours_that_do_not_fit_at_each_time_are_those_of_the_first(arm_stage: Usd.Stage) -> None:
    display = skin(arm_stage).CreateDisplayColorAttr()
    display.Set([(1, 0, 0)], 1)
    display.Set([(1, 0, 0)] * 3, 5)
    character = read(arm_stage)
    assert not character.meshes[0].recoloured
    assert any("its first sample is used" in warning for warning in character.warnings)
