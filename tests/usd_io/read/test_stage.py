import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pxr import Sdf, Tf, Usd, UsdGeom, UsdSkel

from engine.errors import message_of
from usd_io.errors import StageNotFoundError, StageReadError
from usd_io.read.stage import composition_problems, find_skeletons, open_stage, read_shot, read_stage_info


@pytest.mark.parametrize(
    "content", ["", "hello", "#usda 1.0\ndef Xform 'A' { double x = 's' }", "PXR-USDC junk", "PK\x03\x04"]
)
@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdc", ".usdz"])
def test_damaged_files_are_refused_in_one_sentence(
    tmp_path: Path, content: str, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_text(content)
    with pytest.raises(StageReadError, match=rf"bad\{suffix} cannot be read as USD") as error:
        open_stage(path)
    assert str(error.value).isprintable()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("near", [True, False])
def test_what_cannot_be_parsed_is_said_with_its_line_and_no_inner_names(
    near: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.usda").write_text("#usda 1.0\ndef 'A' {\n double[] x.timeSamples = { 1: [1, 2, } ] }\n}\n")
    with pytest.raises(StageReadError) as error:
        open_stage("bad.usda" if near else tmp_path / "bad.usda")
    name = "bad.usda" if near else str(tmp_path / "bad.usda")
    said = f"{name} cannot be read as USD, it is damaged or of another kind: line 3, column "
    assert str(error.value).startswith(said)
    assert str(error.value).count("bad.usda") == 1
    assert "pxr" not in str(error.value)


def test_a_damaged_sublayer_is_said_in_one_short_sentence(tmp_path: Path) -> None:
    numbers = ", ".join(map(str, range(500)))
    (tmp_path / "bad.usda").write_text(f"#usda 1.0\ndef 'A' {{\n 1: [{numbers}],\n}}\n")
    (tmp_path / "shot.usda").write_text("#usda 1.0\n(subLayers = [@./bad.usda@])\n")
    (said,) = composition_problems(open_stage(tmp_path / "shot.usda"))
    assert "bad.usda:3:" in said
    assert "0, 1, 2, 3" in said
    assert len(said) < 2 * len(str(tmp_path)) + 250
    assert said.endswith("; skipping.")
    assert "\\n" not in said
    with pytest.raises(Tf.ErrorException) as error:
        raise_again(tmp_path / "bad.usda")
    assert message_of(error.value).startswith("the stage, or a layer that it uses, is damaged: ")
    assert "bad.usda:3:" in message_of(error.value)


def raise_again(path: Path) -> None:
    """As USD's own validators do."""
    Sdf.Layer.OpenAsAnonymous(str(path))


def test_where_a_file_ends_no_empty_excerpt_is_said(tmp_path: Path) -> None:
    (tmp_path / "cut.usda").write_text('#usda 1.0\ndef Skeleton "Skel"\n{\n')
    with pytest.raises(StageReadError, match=r"line 4, column 1: Expected } in </Skel>$"):
        open_stage(tmp_path / "cut.usda")


@pytest.mark.parametrize(
    ("prim", "name", "known"),
    [
        ("/Arm", "extent", "float3[]"),
        ("/Arm/Skel", "joints", "token[]"),
        ("/Arm/Skel", "restTransforms", "matrix4d[]"),
        ("/Arm/Skel/Wave", "joints", "token[]"),
        ("/Arm/Skin", "points", "point3f[]"),
        ("/Arm/Skin", "faceVertexCounts", "int[]"),
    ],
)
@pytest.mark.parametrize("instanced", [False, True])
def test_values_of_an_unknown_type_are_refused_with_file_prim_and_attribute(
    prim: str, name: str, known: str, instanced: bool, two_bone_arm: Path, tmp_path: Path
) -> None:
    path = misspelt(two_bone_arm, prim, name)
    if instanced:
        path = tmp_path / "set.usda"
        path.write_text(
            '#usda 1.0\ndef "A" (instanceable = true\n references = @two_bone_arm.usda@</Arm>) {}\n'
        )
    said = (
        f"two_bone_arm.usda <{prim}>: {name} is of the type spelt[], which USD does not know; write {known}."
    )
    with pytest.raises(StageReadError) as error:
        open_stage(path)
    assert str(error.value) == said


def test_values_of_an_unknown_type_that_nobody_reads_are_let_be(two_bone_arm: Path) -> None:
    text = two_bone_arm.read_text().replace(
        "    def Skeleton", "    custom of_a_plugin own = 3\n    def Skeleton", 1
    )
    two_bone_arm.write_text(text + 'def Mesh "Prop" {\n pont3f[] points = [(0, 0, 0)]\n}\n')
    assert read_shot(two_bone_arm).characters[0].meshes


@pytest.mark.parametrize(
    ("name", "kind", "size"), [("st", "texCoord2f[]", 2), ("displayColor", "color3f[]", 3)]
)
def test_coordinates_and_colours_of_an_unknown_type_are_left_out_with_a_warning(
    name: str, kind: str, size: int, two_bone_arm: Path
) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/Arm/Skin"))
    UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(name, Sdf.ValueTypeNames.Find(kind)).Set([(0,) * size])
    stage.Save()
    del stage, mesh  # else the layer stays as it was in USD's memory
    (character,) = read_shot(misspelt(two_bone_arm, "/Arm/Skin", f"primvars:{name}")).characters
    (skin,) = character.meshes
    assert (skin.uv if name == "st" else skin.display_color) is None
    assert (
        f"</Arm/Skin.primvars:{name}> is of the type spelt[], which USD does not know"
        in character.warnings[-1]
    )


def test_the_type_that_is_named_is_the_unknown_one(two_bone_arm: Path, tmp_path: Path) -> None:
    """A stronger layer says of the coordinates how they are to be taken, and has their type right."""
    text = two_bone_arm.read_text()
    assert 'def Mesh "Skin"' in text
    head, mark, rest = text.partition('def Mesh "Skin"')
    opening, brace, body = rest.partition("{\n")
    two_bone_arm.write_text(f"{head}{mark}{opening}{brace}spelt[] primvars:st = [(0, 0)]\n{body}")
    own = 'over "Arm" {\n over "Skin" {\n texCoord2f[] primvars:st (interpolation = "constant")\n }\n}\n'
    path = tmp_path / "over.usda"
    path.write_text(f'#usda 1.0\n(\n subLayers = [@{two_bone_arm.name}@]\n defaultPrim = "Arm"\n)\n{own}')
    (character,) = read_shot(path).characters
    assert "primvars:st> is of the type spelt[], which USD" in character.warnings[-1]


def misspelt(path: Path, prim: str, name: str) -> Path:
    """The file with the type of an attribute misspelt, which has a default in it."""
    stage = Usd.Stage.Open(str(path))
    if name == "extent":
        UsdSkel.Root(stage.GetPrimAtPath(prim)).CreateExtentAttr([(0, 0, 0), (1, 1, 1)])
        stage.Save()
    kind = stage.GetRootLayer().GetAttributeAtPath(f"{prim}.{name}").typeName
    own = f'"{prim.rpartition("/")[2]}"'
    before, after = path.read_text().split(f" {own}", 1)
    path.write_text(f"{before} {own}" + after.replace(f"{kind} {name} ", f"spelt[] {name} ", 1))
    return path


@pytest.mark.parametrize("rate", [1e9, 1e-9])
def test_rates_are_refused_with_their_range(rate: float, tmp_path: Path) -> None:
    (tmp_path / "shot.usda").write_text(f"#usda 1.0\n(framesPerSecond = {rate})\n")
    with pytest.raises(StageReadError, match=r"is .*; it must be a positive number, from 1e-06 to 1e\+06"):
        open_stage(tmp_path / "shot.usda")


def test_what_is_missing_a_folder_or_no_usd_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for path, error, message in (
        (tmp_path / "none.usda", StageNotFoundError, "none.usda does not exist"),
        ("", StageNotFoundError, "does not exist"),
        (tmp_path, StageReadError, "is a folder"),
        (tmp_path / "notes.txt", StageReadError, "is no USD file"),
        (
            tmp_path / "a:SDF_FORMAT_ARGS:b.usda",
            StageReadError,
            "reads what follows :SDF_FORMAT_ARGS: .* rename",
        ),
        (os.fsdecode(b"not\xffutf8.usda"), StageReadError, r"^not\\udcffutf8.usda .* UTF-8"),
        ("\x1b[31mred.usda", StageNotFoundError, r"^\\x1b\[31mred.usda does not exist"),
    ):
        with pytest.raises(error, match=message):
            open_stage(path)


def test_a_file_in_a_folder_that_may_not_be_entered_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def refused(path: Any, *args: Any, **named: Any) -> os.stat_result:
        if str(path).endswith("kept.usda"):  # as for a user who is not root, as tests may be
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *args, **named)

    monkeypatch.setattr(os, "stat", refused)
    with pytest.raises(StageNotFoundError, match="may not be entered"):
        open_stage(tmp_path / "kept.usda")


@pytest.mark.parametrize("name", ["timeCodesPerSecond", "framesPerSecond"])
def test_rates_that_are_not_positive_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "zero.usda").write_text(f"#usda 1.0\n({name} = 0)\n")
    with pytest.raises(StageReadError, match=name):
        open_stage(tmp_path / "zero.usda")


def test_info_says_what_is_there(two_bone_arm: Path) -> None:
    info = read_stage_info(two_bone_arm)
    assert (info.start, info.end, info.time_codes_per_second, info.frame_rate) == (1, 9, 24, 24)
    assert (info.up_axis, info.meters_per_unit, info.default_prim) == ("Y", 1, "/Arm")
    assert [Path(layer).name for layer in info.layers] == ["two_bone_arm.usda"]
    assert info.warnings == ()
    skeleton = info.skeletons[0]
    assert (skeleton.path, skeleton.joint_count, skeleton.sample_count) == ("/Arm/Skel", 2, 3)
    assert (skeleton.animation_path, skeleton.binding_path) == ("/Arm/Skel/Wave", "/Arm/Skel")
    assert not skeleton.instance_proxy
    assert skeleton.moving_xform is None


def test_a_missing_reference_is_a_warning_where_the_character_is_there(
    two_bone_arm: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    stage.DefinePrim("/Set").GetReferences().AddReference("./gone.usda")
    stage.GetRootLayer().subLayerPaths.append("./layer.usda")
    stage.Save()
    del stage
    capfd.readouterr()
    info = read_stage_info(two_bone_arm)
    assert len(info.warnings) == 2
    assert any("gone.usda" in w and "</Set>" in w for w in info.warnings)
    assert len(read_shot(two_bone_arm).motions) == 1
    assert capfd.readouterr() == ("", "")


def test_a_missing_reference_that_takes_the_skeleton_is_an_error(tmp_path: Path) -> None:
    stage = Usd.Stage.CreateNew(str(tmp_path / "shot.usda"))
    stage.DefinePrim("/Hero").GetReferences().AddReference("./hero.usda")
    stage.Save()
    for paths in ((), ("/Hero/Skel",)):
        with pytest.raises(StageReadError, match=r"holds no skeleton. A part of it is missing: .*hero.usda"):
            read_shot(tmp_path / "shot.usda", paths)


def test_an_animation_alone_says_what_to_open(data: Path) -> None:
    with pytest.raises(StageReadError, match="</Walk> is an animation alone"):
        read_shot(data / "edge" / "fox_walk_anim_only.usda")


def test_instances_and_several_skeletons_are_found(tmp_path: Path, two_bone_arm: Path) -> None:
    path = tmp_path / "crowd.usda"
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.Xform.Define(stage, "/World")
    for name in ("A", "B"):
        prim = stage.DefinePrim(f"/World/{name}")
        prim.GetReferences().AddReference(f"./{two_bone_arm.name}")
        prim.SetInstanceable(True)
    stage.Save()
    shot = read_shot(path)
    assert [c.skeleton_path for c in shot.characters] == ["/World/A/Skel", "/World/B/Skel"]
    assert [c.name for c in shot.characters] == ["A", "B"]
    assert [len(c.meshes) for c in shot.characters] == [1, 1]
    assert shot.motions[1].animation_path == "/World/B/Skel/Wave"
    assert all(s.instance_proxy for s in shot.info.skeletons)
    assert len(read_shot(path, ["/World/B/Skel"], meshes=False).characters) == 1


def test_two_skeletons_below_one_root_keep_their_own_skin(
    tmp_path: Path, make_arm: Callable[..., Path]
) -> None:
    make_arm(tmp_path / "arm.usda")
    path = tmp_path / "pair.usda"
    stage = Usd.Stage.CreateNew(str(path))
    UsdSkel.Root.Define(stage, "/Pair")
    for name in ("Left", "Right"):
        UsdGeom.Xform.Define(stage, f"/Pair/{name}").GetPrim().GetReferences().AddReference("./arm.usda")
    stage.Save()
    shot = read_shot(path)
    assert [m.path for c in shot.characters for m in c.meshes] == ["/Pair/Left/Skin", "/Pair/Right/Skin"]


def test_a_shot_takes_only_what_moves(two_bone_arm: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    UsdSkel.Skeleton.Define(stage, "/Arm/Still").CreateJointsAttr(["Root"])
    stage.Save()
    assert [c.skeleton_path for c in read_shot(two_bone_arm).characters] == ["/Arm/Skel"]
    with pytest.raises(StageReadError, match="</Arm/Still>: the skeleton has no animation"):
        read_shot(two_bone_arm, ["/Arm/Still"])
    stage.GetPrimAtPath("/Arm/Skel/Wave").SetActive(False)
    stage.Save()
    with pytest.raises(StageReadError, match="None of its 1 other skeletons moves"):
        read_shot(two_bone_arm)


@pytest.mark.parametrize("joints", [["A/B", "A"], ["A", "A"]])
def test_an_invalid_hierarchy_is_a_warning_until_it_is_asked_for(
    two_bone_arm: Path, joints: list[str]
) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    stage.GetAttributeAtPath("/Arm/Skel.joints").Set(joints)
    stage.Save()
    info = read_stage_info(two_bone_arm)
    assert info.skeletons == find_skeletons(stage) == ()
    assert "no valid hierarchy" in info.warnings[0]
    for paths in ((), ("/Arm/Skel",)):
        with pytest.raises(StageReadError, match="no valid hierarchy"):
            read_shot(two_bone_arm, paths)


def test_a_skeleton_outside_a_root_is_a_warning(two_bone_arm: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    stage.GetPrimAtPath("/Arm").SetTypeName("Xform")
    stage.Save()
    assert "not below a SkelRoot" in read_stage_info(two_bone_arm).warnings[0]
    assert read_shot(two_bone_arm).characters[0].meshes == ()


def test_every_asset_is_read_or_refused_by_name(stage_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    moving = [s.path for s in read_stage_info(stage_file).skeletons if s.sample_count >= 2]
    if moving:
        assert [c.skeleton_path for c in read_shot(stage_file).characters] == moving
    else:
        with pytest.raises(StageReadError):
            read_shot(stage_file)
    assert capfd.readouterr() == ("", "")


def test_the_source_is_never_changed(two_bone_arm: Path) -> None:
    before = two_bone_arm.read_bytes()
    read_shot(two_bone_arm)
    assert two_bone_arm.read_bytes() == before
    layer = Sdf.Layer.Find(str(two_bone_arm))
    assert layer is None or not layer.dirty


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.usda")
    with pytest.raises(StageReadError, match="is a pipe"):
        open_stage(tmp_path / "pipe.usda")
