"""Each rule finds its own fault, with a place, and says nothing of a sound file."""

from pathlib import Path
from time import process_time

import pytest
from pxr import Gf, Sdf, Usd, UsdSkel, Vt

from usd_io.author.result import Take, author_result
from usd_io.check.composition import unknown_joints
from usd_io.check.finding import Finding
from usd_io.check.ignored import ignored_subsets
from usd_io.check.rules import check_file
from usd_io.errors import StageReadError, shown
from usd_io.read.motion import read_motion
from usd_io.read.placement import AuthorMode
from usd_io.read.stage import open_stage

DATA = Path(__file__).parents[2] / "data"


SOUND = """#usda 1.0
(
    defaultPrim = "Arm"
    metersPerUnit = 0.01
    upAxis = "Y"
    timeCodesPerSecond = 24
)
def SkelRoot "Arm"
{
    def Skeleton "Skel" (prepend apiSchemas = ["SkelBindingAPI"])
    {
        uniform token[] joints = ["hip", "hip/knee"]
        uniform matrix4d[] bindTransforms = [ONE, ONE]
        uniform matrix4d[] restTransforms = [ONE, ONE]
        rel skel:animationSource = </Arm/Anim>
    }
    def SkelAnimation "Anim"
    {
        uniform token[] joints = ["hip", "hip/knee"]
        float3[] translations.timeSamples = {
            0: [(0, 1, 0), (1, 0, 0)], 1: [(0, 2, 0), (1, 0, 0)], 2: [(0, 3, 0), (1, 0, 0)],
        }
        quatf[] rotations.timeSamples = {
            0: [(1, 0, 0, 0), (1, 0, 0, 0)], 1: [(0.6, 0.8, 0, 0), (1, 0, 0, 0)], 2: [(0, 1, 0, 0), (1, 0, 0, 0)],
        }
        half3[] scales = [(1, 1, 1), (1, 1, 1)]
    }
}
""".replace("ONE", "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))")

FAULTS = {
    "SA001": ("half3[] scales = [(1, 1, 1), (1, 1, 1)]", "", "scales missing", None),
    "SA002": ("1: [(0, 2, 0), (1, 0, 0)]", "1: [(0, 2, 0)]", "1 value for 2 joints", 1.0),
    "SA004 length": (
        "1: [(0.6, 0.8, 0, 0)",
        "1: [(0.5, 0.8, 0, 0)",
        "rotation of hip is not unit length",
        1.0,
    ),
    "SA004 finite": ("2: [(0, 3, 0)", "2: [(0, nan, 0)", "translation of hip is not finite", 2.0),
    "SA005": ("2: [(0, 1, 0, 0)", "2: [(0, -1, 0, 0)", "rotation of hip changes the sign", 2.0),
    "SA009": ("2: [(0, 3, 0), (1, 0, 0)]", "2: [(0, 3, 0), (1.5, 0, 0)]", "hip/knee by 50%", 2.0),
}


def checked(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "arm.usda"
    path.write_text(text)
    return list(check_file(path))


def of(findings: list[Finding] | tuple[Finding, ...], rule: str) -> list[Finding]:
    return [found for found in findings if found.rule == rule]


def test_sound_file_has_no_findings(tmp_path: Path) -> None:
    assert checked(tmp_path, SOUND) == []


@pytest.mark.parametrize(("name", "fault"), FAULTS.items(), ids=FAULTS.keys())
def test_fault_is_found_with_its_place(name: str, fault: tuple, tmp_path: Path) -> None:
    old, new, message, time = fault
    assert SOUND.count(old) == 1
    found = of(checked(tmp_path, SOUND.replace(old, new)), name[:5])
    assert len(found) == 1
    assert message in found[0].message
    assert (found[0].prim, found[0].time) == ("/Arm/Anim", time)


def test_joint_that_the_skeleton_lacks_is_found(tmp_path: Path) -> None:
    head, animation = SOUND.split('def SkelAnimation "Anim"')
    some = head + 'def SkelAnimation "Anim"' + animation.replace("hip/knee", "hip/elbow")
    assert [found.severity for found in of(checked(tmp_path, some), "SA003")] == ["warning"]
    none = head + 'def SkelAnimation "Anim"' + animation.replace('"hip', '"tail')
    assert [found.severity for found in of(checked(tmp_path, none), "SA003")] == ["error"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('def SkelAnimation "Anim"', 'def SkelAnimation "Anim" (active = false)', "inactive"),
        ('def SkelAnimation "Anim"', 'def SkelAnimation "Other"', "not there"),
        ('def SkelAnimation "Anim"', 'def Scope "Anim"', "no SkelAnimation"),
    ],
)
def test_a_binding_to_what_moves_nothing_is_found(old: str, new: str, why: str, tmp_path: Path) -> None:
    assert SOUND.count(old) == 1
    (found,) = of(checked(tmp_path, SOUND.replace(old, new)), "SA017")
    assert found.severity == "warning"
    assert f"names </Arm/Anim>, which is {why}: nothing moves </Arm/Skel>." in found.message


@pytest.mark.parametrize("name", ["b\x01.usda", "\x1b[31m.usda", "a\nb.usda"])
def test_a_sound_file_of_a_strange_name_is_no_damage(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(SOUND)
    (found,) = check_file(path)
    assert (found.rule, found.severity) == ("SA018", "warning")
    assert f"{shown(path)} has a control character" in found.message
    path.write_text(SOUND.replace("half3[] scales = [(1, 1, 1), (1, 1, 1)]", ""))
    assert of(check_file(path), "SA001")


def test_joint_of_another_level_of_detail_is_no_finding(tmp_path: Path) -> None:
    head, rest = SOUND.split('    def Skeleton "Skel"')
    skeleton, animation = rest.split("    def SkelAnimation")
    low = skeleton.replace('["hip", "hip/knee"]', '["hip"]')
    both = (
        f'{head}    def Skeleton "Skel"{skeleton}    def Skeleton "Low"{low}    def SkelAnimation{animation}'
    )
    assert of(checked(tmp_path, both), "SA003") == []
    strange = both.replace('["hip"]', '["tail"]')
    assert [found.severity for found in of(checked(tmp_path, strange), "SA003")] == ["warning"]


def test_shadowed_samples_are_found() -> None:
    found = of(check_file(DATA / "edge/fox_survey_keys.usda"), "SA006")
    assert [(f.severity, f.layer, f.prim) for f in found] == [
        ("warning", "fox_survey_keys.usda", "/Fox/Anim/Survey")
    ]
    assert "8 samples of translations hide the 83 of the weaker layer fox.usdc" in found[0].message


def test_mixed_time_codes_are_found(tmp_path: Path) -> None:
    (tmp_path / "arm.usda").write_text(SOUND)
    root = tmp_path / "shot.usda"
    root.write_text("#usda 1.0\n(\n timeCodesPerSecond = 30\n subLayers = [@./arm.usda@]\n)\n")
    found = of(check_file(root), "SA007")
    assert [f.layer for f in found] == ["arm.usda"]
    assert "24 time codes per second and the stage 30" in found[0].message


def test_instanced_skeletons_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "arm.usda").write_text(SOUND)
    prims = [f'def "{name}" (instanceable = true\n references = @./arm.usda@) {{\n}}\n' for name in "AB"]
    root = tmp_path / "shot.usda"
    root.write_text("#usda 1.0\n" + "".join(prims))
    found = of(check_file(root), "SA010")
    assert [f.prim for f in found] == ["/A/Skel", "/B/Skel"]


def test_undriven_blend_shapes_are_found(tmp_path: Path) -> None:
    mesh = """
    def Mesh "Face" (prepend apiSchemas = ["SkelBindingAPI"]) {
        point3f[] points = [(0, 0, 0)]
        rel skel:skeleton = </Arm/Skel>
        int[] primvars:skel:jointIndices = [0] (interpolation = "constant")
        float[] primvars:skel:jointWeights = [1] (interpolation = "constant")
        uniform token[] skel:blendShapes = ["smile"]
        rel skel:blendShapeTargets = </Arm/Face/smile>
        def BlendShape "smile" {
            uniform vector3f[] offsets = [(0, 1, 0)]
        }
    }
    def SkelAnimation "Anim\""""
    found = of(checked(tmp_path, SOUND.replace('    def SkelAnimation "Anim"', mesh)), "SA011")
    assert [(f.prim, "smile" in f.message) for f in found] == [("/Arm/Face", True)]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    source = tmp_path / "arm.usda"
    source.write_text(SOUND)
    motion = read_motion(open_stage(source), "/Arm/Skel")
    return author_result(source, tmp_path, "out", {"/Arm/Skel": Take(motion, (0.0, 2.0))}).root


def test_own_result_is_sound(result: Path) -> None:
    assert check_file(result) == ()


@pytest.mark.parametrize("mode", ["rebind", "over"])
def test_what_the_source_has_is_no_fault_of_the_result(mode: AuthorMode, tmp_path: Path) -> None:
    source = tmp_path / "arm.usda"
    source.write_text(SOUND.replace("float3[] translations", "point3f[] translations"))
    take = Take(read_motion(open_stage(source), "/Arm/Skel"), (0.0, 2.0))
    root = author_result(source, tmp_path, "out", {"/Arm/Skel": take}, mode=mode).root
    (found,) = of(check_file(root), "AttributeTypeMismatch")
    assert (found.severity, found.message.startswith("As in the source: ")) == ("info", True)
    assert of(check_file(source), "AttributeTypeMismatch")[0].severity == "error"


@pytest.mark.parametrize("name", ["arm", "a" * 180])
def test_a_result_has_no_default_prim_where_its_source_has_none(name: str, tmp_path: Path) -> None:
    source = tmp_path / f"{name}.usda"
    source.write_text(SOUND.replace('    defaultPrim = "Arm"\n', ""))
    take = Take(read_motion(open_stage(source), "/Arm/Skel"), (0.0, 2.0))
    root = author_result(source, tmp_path, "out", {"/Arm/Skel": take}).root
    (found,) = check_file(root)
    expected = "As in the source: The stage has an invalid or missing defaultPrim."
    assert (found.rule, found.severity, found.message) == ("MissingDefaultPrim", "info", expected)
    assert [f.severity for f in check_file(source)] == ["error"]


def test_changed_key_of_a_result_is_found(result: Path) -> None:
    layer = Sdf.Layer.FindOrOpen(str(result.with_name("out_anim.usdc")))
    path = "/Arm/Anim_inbetween.translations"
    layer.SetTimeSample(path, 2.0, [(0, 3.5, 0), (1, 0, 0)])
    layer.Save()
    found = of(check_file(result), "SA008")
    assert [(f.severity, f.prim, f.time) for f in found] == [("error", "/Arm/Skel", 2.0)]


def test_changed_or_missing_source_of_a_result_is_found(result: Path) -> None:
    source = result.with_name("arm.usda")
    source.write_text(SOUND + "\n")
    assert "has changed since" in of(check_file(result), "SA008")[0].message
    source.unlink()
    assert any("cannot be compared" in found.message for found in of(check_file(result), "SA008"))


def test_hostile_names_are_shown_escaped(tmp_path: Path) -> None:
    hostile = SOUND.replace('"hip/knee"', '"hip/\\x1b[31mknee"', 1)
    findings = checked(tmp_path, hostile.replace("half3[] scales = [(1, 1, 1), (1, 1, 1)]", ""))
    assert findings
    assert all(text.isprintable() for f in findings for text in (f.message, f.prim, f.layer, f.rule))


@pytest.mark.parametrize("content", [b"", b"no usd", b"#usda 1.0\ndef {", b"PXR-USDC" + bytes(80)])
def test_what_is_no_usd_raises_a_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.usd"
    path.write_bytes(content)
    with pytest.raises(StageReadError, match=r"file\.usd"):
        check_file(path)


def test_usd_validators_are_run(tmp_path: Path) -> None:
    findings = checked(tmp_path, SOUND.replace('    defaultPrim = "Arm"\n', ""))
    assert "MissingDefaultPrim" in {found.rule for found in findings}


def test_ragged_samples_do_not_stop_the_other_rules(tmp_path: Path) -> None:
    ragged = SOUND.replace("1: [(0, 2, 0), (1, 0, 0)]", "1: []").replace("2: [(0, 3, 0)", "2: [(0, inf, 0)")
    rules = {found.rule for found in checked(tmp_path, ragged)}
    assert {"SA002", "SA004"} <= rules


def test_many_faults_make_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "arm.usda"
    path.write_text(SOUND)
    stage = Usd.Stage.Open(str(path))
    rotations = UsdSkel.Animation(stage.GetPrimAtPath("/Arm/Anim")).GetRotationsAttr()
    for time in range(3, 200):
        rotations.Set(Vt.QuatfArray([Gf.Quatf(0, 2, 0, 0)] * 2), time)
    stage.Save()
    found = of(check_file(path), "SA004")
    assert len(found) == 1
    assert "394 such values in 197 samples" in found[0].message


def test_thousands_of_joints_are_checked_in_the_time_of_their_number() -> None:
    stage = Usd.Stage.CreateInMemory()
    joints = Vt.TokenArray([f"j{number}" for number in range(8000)])
    skeleton = UsdSkel.Skeleton.Define(stage, "/Skeleton")
    skeleton.CreateJointsAttr(joints)
    animation = UsdSkel.Animation.Define(stage, "/Animation")
    animation.CreateJointsAttr(joints)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    began = process_time()
    assert not [*ignored_subsets(stage), *unknown_joints(stage)]
    assert process_time() - began < 3  # 11 s, when all were gathered again for each
