"""Stages as pipelines build them; what a run keeps of each is judged by pxr alone, in a process of its own."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pxr import Sdf, Ts, Usd, UsdGeom, UsdSkel, UsdUtils

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import EngineError, NothingToFill
from scripts.usd_campaign import judged
from tests.engine.outcome import CHANNELS, SKEL, Outcome
from tests.engine.test_usd_kinds import DENSE, JOINTS, KEYS, Rig, values
from usd_io.check.rules import check_file
from usd_io.errors import UsdIoError

Build = Callable[[Path], Path]
HEAD = 'upAxis = "Y"\n metersPerUnit = 1'
FILLED: dict[str, Build] = {}
IGNORED: dict[str, tuple[Build, str]] = {}


def filled(build: Build) -> Build:
    """An input that USD plays and that a run fills."""
    FILLED[build.__name__] = build
    return build


def ignored(said: str) -> Callable[[Build], Build]:
    """An input that USD ignores: refused with a sentence that says why."""

    def known(build: Build) -> Build:
        IGNORED[build.__name__] = build, said
        return build

    return known


def shot(folder: Path, head: str, *prims: str, name: str = "shot.usda") -> Path:
    path = folder / name
    path.write_text(f"#usda 1.0\n({HEAD}\n {head}\n)\n" + "\n".join(prims) + "\n")
    return path


def ref(name: str, layer: str = "hero.usda", more: str = "", body: str = "", offset: str = "") -> str:
    return f'def "{name}" ({more}\n references = @./{layer}@ {offset}) {{\n{body}\n}}\n'


def each_sample(rig: Rig, change: Callable[[str, float], Any]) -> None:
    """Set each sample of each channel anew."""
    for channel in CHANNELS:
        attribute = rig.animation.GetPrim().GetAttribute(channel)
        for time in attribute.GetTimeSamples():
            attribute.Set(change(channel, time), time)


def in_clips(folder: Path, channels: tuple[str, ...] = CHANNELS) -> tuple[Usd.Stage, Path]:
    """A scene without the samples of some channels, and a clip that has them."""
    layer = Sdf.Layer.FindOrOpen(str(Rig(folder).saved()))
    (folder / "clip.usda").write_text(layer.ExportToString())
    scene = Sdf.Layer.CreateNew(str(folder / "scene.usda"))
    scene.TransferContent(layer)
    for channel in channels:
        scene.GetAttributeAtPath(f"/Char/Anim.{channel}").ClearInfo("timeSamples")
    scene.Save()
    return Usd.Stage.Open(scene), folder / "scene.usda"


@filled
def one_channel_moves(folder: Path) -> Path:
    rig = Rig(folder, times={"rotations": (), "scales": ()})
    for channel in ("rotations", "scales"):
        rig.animation.GetPrim().GetAttribute(channel).Set(values(channel, 3, 0.0))
    return rig.saved()


@filled
def joints_in_another_order_with_a_stranger(folder: Path) -> Path:
    rig = Rig(folder)
    rig.animation.CreateJointsAttr(["Root/A/B", "Extra", "Root"])
    return rig.saved()


@filled
def one_joint_of_three(folder: Path) -> Path:
    rig = Rig(folder)
    rig.animation.CreateJointsAttr(["Root/A"])
    each_sample(rig, lambda channel, time: values(channel, 1, time))
    return rig.saved()


@filled
def defaults_beside_samples(folder: Path) -> Path:
    rig = Rig(folder)
    for channel in CHANNELS:
        rig.animation.GetPrim().GetAttribute(channel).Set(values(channel, 3, 99.0))
    return rig.saved()


@filled
def times_below_zero_and_between_frames(folder: Path) -> Path:
    times = (*(-20.5 + i for i in range(12)), -3.25, 7.125, 19.875)
    return Rig(folder, times=dict.fromkeys(CHANNELS, times)).saved()


@filled
def times_at_a_million(folder: Path) -> Path:
    times = (*(1e6 + i for i in range(12)), 1e6 + 18, 1e6 + 26)
    return Rig(folder, times=dict.fromkeys(CHANNELS, times)).saved()


@filled
def four_samples_a_frame(folder: Path) -> Path:
    times = (*(1 + i / 4 for i in range(45)), 18.5, 26.25)
    return Rig(folder, times=dict.fromkeys(CHANNELS, times)).saved()


@filled
def a_thousand_time_codes_a_second(folder: Path) -> Path:
    times = (*(i * 1000 / 24 for i in range(12)), 900.0, 1500.0)
    rig = Rig(folder, times=dict.fromkeys(CHANNELS, times))
    rig.stage.SetTimeCodesPerSecond(1000)
    rig.stage.SetFramesPerSecond(24)
    return rig.saved()


@filled
def layers_of_three_rates(folder: Path) -> Path:
    rig = Rig(folder)
    rig.stage.SetTimeCodesPerSecond(25)
    rig.saved()
    shot(
        folder,
        "timeCodesPerSecond = 50\n subLayers = [@./hero.usda@ (offset = 3; scale = 0.5)]",
        name="a.usda",
    )
    rates = "timeCodesPerSecond = 30\n framesPerSecond = 30"
    return shot(folder, f"{rates}\n subLayers = [@./a.usda@ (offset = -2; scale = 1.5)]")


@filled
def sparse_samples_over_dense_ones(folder: Path) -> Path:
    Rig(folder, times=dict.fromkeys(CHANNELS, tuple(map(float, range(1, 30))))).saved()
    path = shot(folder, "subLayers = [@./hero.usda@]")
    stage = Usd.Stage.Open(str(path))
    rotations = UsdSkel.Animation(stage.GetPrimAtPath("/Char/Anim")).GetRotationsAttr()
    for time, value in [(time, rotations.Get(time)) for time in (1.0, 9.0, 20.0, 29.0)]:
        rotations.Set(value, time)
    stage.Save()
    return path


@filled
def samples_of_a_weaker_layer(folder: Path) -> Path:
    text = Sdf.Layer.FindOrOpen(str(Rig(folder).saved())).ExportToString()
    (folder / "weak.usda").write_text(text.replace("18:", "19:"))
    return shot(folder, "subLayers = [@./hero.usda@, @./weak.usda@]")


@filled
def clips_by_a_template(folder: Path) -> Path:
    stage, path = in_clips(folder)
    layer = Sdf.Layer.FindOrOpen(str(folder / "hero.usda"))
    for first, last in ((1, 12), (18, 26)):
        clip = Sdf.Layer.CreateNew(str(folder / f"part.{first:03d}.usda"))
        clip.TransferContent(layer)
        for channel in CHANNELS:
            for time in clip.ListTimeSamplesForPath(f"/Char/Anim.{channel}"):
                if not first <= time <= last:
                    clip.EraseTimeSample(f"/Char/Anim.{channel}", time)
        clip.Save()
    clips = Usd.ClipsAPI(stage.GetPrimAtPath("/Char/Anim"))
    clips.SetClipPrimPath("/Char/Anim")
    clips.SetClipTemplateAssetPath("./part.###.usda")
    clips.SetClipTemplateStartTime(1)
    clips.SetClipTemplateEndTime(18)
    clips.SetClipTemplateStride(17)
    stage.Save()
    return path


@filled
def clips_referenced_with_offsets(folder: Path) -> Path:
    clips_by_a_template(folder)
    slow = ref("B", "scene.usda", offset="(offset = -4; scale = 2)")
    return shot(folder, "", ref("A", "scene.usda", offset="(offset = 10.5)"), slow)


@filled
def one_channel_in_a_clip(folder: Path) -> Path:
    stage, path = in_clips(folder, ("rotations",))
    body = 'over "Char" {\nover "Anim" {\nquatf[] rotations\n}\n}\n'
    shot(folder, "", body, name="manifest.usda")
    _set_clips(stage, "/Char/Anim", "default", [(1, 1), (26, 26)])
    return path


@filled
def a_clip_set_above_by_another_name(folder: Path) -> Path:
    stage, path = in_clips(folder)
    clip = Sdf.Layer.FindOrOpen(str(folder / "clip.usda"))
    Usd.ClipsAPI.GenerateClipManifestFromLayers([clip], "/Char").Export(str(folder / "manifest.usda"))
    _set_clips(stage, "/Char", "body", [(2, 1), (28, 27)])
    return path


@filled
def clips_held_before_and_after_their_motion(folder: Path) -> Path:
    """Active from 0 on; the clip's first sample is shown until 100, its last one, at 125, until 199."""
    stage, path = in_clips(folder)
    body = _over_anim("quatf[] rotations\nfloat3[] translations\nhalf3[] scales")
    shot(folder, "", body, name="manifest.usda")
    _set_clips(stage, "/Char/Anim", "default", [(100, 1), (199, 100)])
    return path


def _set_clips(stage: Usd.Stage, path: str, name: str, times: list[tuple[float, float]]) -> None:
    clips = Usd.ClipsAPI(stage.GetPrimAtPath(path))
    clips.SetClipPrimPath(path, name)
    clips.SetClipAssetPaths(["./clip.usda"], name)
    clips.SetClipActive([(0, 0)], name)
    clips.SetClipTimes(times, name)
    clips.SetClipManifestAssetPath("./manifest.usda", name)
    stage.Save()


@filled
def instances_bound_from_outside(folder: Path) -> Path:
    Rig(folder, "anim.usda").saved()
    rig = Rig(folder)
    rig.stage.GetPrimAtPath("/Char/Skel").RemoveProperty("skel:animationSource")
    rig.saved()
    bound = 'instanceable = true\n prepend apiSchemas = ["SkelBindingAPI"]'
    body = "rel skel:animationSource = </W/Anim>"
    anim = 'def "Anim" (references = @./anim.usda@</Char/Anim>) {\n}\n'
    return shot(
        folder, "", 'def Xform "W" {\n', anim, *(ref(n, more=bound, body=body) for n in ("I1", "I2")), "}"
    )


@filled
def one_animation_under_two_roots(folder: Path) -> Path:
    Rig(folder).saved()
    other = 'over "Skel" {\nrel skel:animationSource = </A/Anim>\n}'
    return shot(folder, "", ref("A"), ref("B", body=other))


@filled
def an_animation_inside_an_instance_drives_one_outside(folder: Path) -> Path:
    Rig(folder).saved()
    other = 'over "Skel" {\nrel skel:animationSource = </A/Anim>\n}'
    return shot(folder, "", ref("A", more="instanceable = true"), ref("B", body=other))


@filled
def an_animation_in_a_variant(folder: Path) -> Path:
    rig = Rig(folder)
    takes = rig.stage.GetPrimAtPath("/Char").GetVariantSets().AddVariantSet("take")
    rig.stage.RemovePrim("/Char/Anim")
    for name, later in (("one", 0.0), ("two", 3.0)):
        takes.AddVariant(name)
        takes.SetVariantSelection(name)
        with takes.GetVariantEditContext():
            animation = UsdSkel.Animation.Define(rig.stage, "/Char/Anim")
            animation.CreateJointsAttr(JOINTS)
            for channel in CHANNELS:
                for time in (*DENSE, *KEYS):
                    value = values(channel, 3, time + later)
                    animation.GetPrim().GetAttribute(channel).Set(value, time)
    takes.SetVariantSelection("one")
    return rig.saved()


@filled
def a_payload_with_an_inherited_class(folder: Path) -> Path:
    Rig(folder).saved()
    kind = 'class "_c" {\nover "Anim" {\ncustom float grade = 1\n}\n}\n'
    return shot(folder, "", kind, 'def "A" (payload = @./hero.usda@\n inherits = </_c>) {\n}\n')


@filled
def a_copy_by_reference_and_one_specialized(folder: Path) -> Path:
    Rig(folder).saved()
    more = 'def "Copy" (references = </Char>) {\n}\ndef "Spec" (specializes = </Char>) {\n}\n'
    return shot(folder, "subLayers = [@./hero.usda@]", more)


@filled
def three_offsets_of_one_layer(folder: Path) -> Path:
    Rig(folder).saved()
    quick = ref("C", offset="(offset = 3; scale = 0.5)")
    return shot(folder, "", ref("A"), ref("B", offset="(offset = 11.5)"), quick)


@filled
def prototypes_and_what_is_not_there(folder: Path) -> Path:
    Rig(folder).saved()
    instancer = (
        'def PointInstancer "P" {\nrel prototypes = [</P/Proto/H>]\nint[] protoIndices = [0, 0]\n'
        f'point3f[] positions = [(0, 0, 0), (2, 0, 0)]\ndef "Proto" {{\n{ref("H")}}}\n}}\n'
    )
    off = 'def "Off" (active = false\n references = @./hero.usda@) {\n}\n'
    return shot(folder, "", instancer, off, 'class "_C" (references = @./hero.usda@) {\n}\n', ref("A"))


@filled
def a_spline_above(folder: Path) -> Path:
    Rig(folder).saved()
    path = shot(folder, "", f'def Xform "W" {{\n{ref("A")}}}\n')
    stage = Usd.Stage.Open(str(path))
    turn = UsdGeom.Xform(stage.GetPrimAtPath("/W")).AddRotateYOp()
    spline = Ts.Spline("float")
    for time, value in ((1, 0.0), (13, 90.0), (26, 10.0)):
        knot = Ts.Knot(typeName="float")
        knot.SetTime(time)
        knot.SetValue(value)
        knot.SetNextInterpolation(Ts.InterpCurve)
        spline.SetKnot(knot)
    turn.GetAttr().SetSpline(spline)
    stage.Save()
    return path


@filled
def blocks_before_and_behind(folder: Path) -> Path:
    rig = Rig(folder)
    for time in (-3.0, 40.0):
        rig.animation.GetRotationsAttr().Set(Sdf.ValueBlock(), time)
    return rig.saved()


@filled
def weights_at_times_of_their_own(folder: Path) -> Path:
    rig = Rig(folder)
    rig.animation.CreateBlendShapesAttr(["a", "b"])
    weights = rig.animation.CreateBlendShapeWeightsAttr()
    for time in (0.25, 5.0, 15.5, 21.75, 33.0):
        weights.Set([time / 40, 0.5], time)
    return rig.saved()


@filled
def names_of_all_kinds(folder: Path) -> Path:
    text = Sdf.Layer.FindOrOpen(str(Rig(folder).saved())).ExportToString()
    path = folder / "a%20#[b] @c.usda"
    path.write_text(text.replace("Char", "Ünï漢").replace('"Root', '"ルート').replace("/Root", "/ルート"))
    return path


@filled
def a_source_nobody_may_write(folder: Path) -> Path:
    path = Rig(folder).saved()
    path.chmod(0o444)
    return path


@filled
def a_private_animation(folder: Path) -> Path:
    layer = Sdf.Layer.FindOrOpen(str(Rig(folder).saved()))
    layer.GetPrimAtPath("/Char/Anim").permission = Sdf.PermissionPrivate
    layer.Save()
    return shot(folder, "", ref("A"))


@filled
def a_package(folder: Path) -> Path:
    Rig(folder).saved()
    assert UsdUtils.CreateNewUsdzPackage(str(folder / "hero.usda"), str(folder / "hero.usdz"))
    return folder / "hero.usdz"


@filled
def layers_in_a_package(folder: Path) -> Path:
    Rig(folder).saved()
    package = UsdUtils.CreateNewUsdzPackage
    assert package(str(shot(folder, "subLayers = [@./hero.usda@ (offset = 2)]")), str(folder / "hero.usdz"))
    (folder / "hero.usda").unlink()
    return shot(folder, "subLayers = [@./hero.usdz@]")


@filled
def scales_whose_animation_is_blocked(folder: Path) -> Path:
    """AnimationBlock takes the samples of weaker layers away, and leaves their default."""
    rig = Rig(folder)
    rig.animation.GetScalesAttr().Set(values("scales", 3, 5.0))
    rig.saved()
    return shot(folder, "subLayers = [@./hero.usda@]", _over_anim("half3[] scales = AnimationBlock"))


@filled
def an_array_edit_at_some_times(folder: Path) -> Path:
    Rig(folder).saved()
    edits = ", ".join(
        f"{t}: edit [write ({v}) to [1]]" for t, v in ((1, "0.8, 0.6, 0, 0"), (26, "0.6, 0, 0.8, 0"))
    )
    return shot(
        folder, "subLayers = [@./hero.usda@]", _over_anim(f"quatf[] rotations.timeSamples = {{ {edits} }}")
    )


@filled
def an_array_edit_among_the_samples_of_one_layer(folder: Path) -> Path:
    path = Rig(folder).saved()
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if "rotations.timeSamples" in line)
    at = next(n for n in range(first, len(lines)) if lines[n].strip().startswith("5:"))
    appended = "; ".join(f"append {q}" for q in re.findall(r"\([^()]*\)", lines[at]))
    lines[at] = f"5: edit [{appended}],"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@filled
def an_array_edit_of_every_sample(folder: Path) -> Path:
    Rig(folder).saved()
    return shot(
        folder,
        "subLayers = [@./hero.usda@]",
        _over_anim("float3[] translations = edit [write (0, 5, 0) to [1]]"),
    )


def _over_anim(body: str) -> str:
    return f'over "Char" {{\nover "Anim" {{\n{body}\n}}\n}}\n'


@filled
def a_variable_in_a_path(folder: Path) -> Path:
    Rig(folder).saved()
    return shot(folder, 'expressionVariables = {\nstring H = "hero"\n}\n subLayers = [@`"./${H}.usda"`@]')


@filled
def a_relocated_animation(folder: Path) -> Path:
    Rig(folder).saved()
    return shot(folder, "relocates = {\n</A/Anim>: </A/Moved>\n}", ref("A"))


@filled
def levels_of_detail_and_another_rig(folder: Path) -> Path:
    rig = Rig(folder)
    rig.skeleton("Low", JOINTS[:2])
    rig.skeleton("Other", ("Root/A/B", "Hat"))
    return rig.saved()


@filled
def a_binding_taken_away_below(folder: Path) -> Path:
    rig = Rig(folder)
    above = UsdSkel.BindingAPI.Apply(rig.stage.GetPrimAtPath("/Char"))
    above.CreateAnimationSourceRel().SetTargets(["/Char/Anim"])
    UsdSkel.BindingAPI(rig.stage.GetPrimAtPath("/Char/Skel")).GetAnimationSourceRel().SetTargets([])
    rig.skeleton("Two", JOINTS[:2])
    rig.stage.GetPrimAtPath("/Char/Two").RemoveProperty("skel:animationSource")
    return rig.saved()


@filled
def keys_of_each_channel_apart(folder: Path) -> Path:
    times = {"translations": (*DENSE, 18, 22, 26), "rotations": (*DENSE, 20, 26), "scales": (1, 26)}
    return Rig(folder, times=times).saved()


@filled
def steps_of_one_channel(folder: Path) -> Path:
    rig = Rig(folder)
    translations = rig.animation.GetTranslationsAttr()
    for time in KEYS:
        translations.Set(translations.Get(12.0), time - 0.001)
    return rig.saved()


@filled
def a_chain_of_links(folder: Path) -> Path:
    (folder / "real").mkdir()
    Rig(folder / "real").saved()
    (folder / "link").symlink_to("real")
    shot(folder / "real", "subLayers = [@../link/hero.usda@]")
    return folder / "link" / "shot.usda"


@filled
def influences_of_joints_that_are_not_there(folder: Path) -> Path:
    rig = Rig(folder)
    for name in ("jointIndices", "jointWeights"):
        rig.mesh.GetPrim().RemoveProperty(f"primvars:skel:{name}")
    rig.binding.CreateJointIndicesPrimvar(True, 2).Set([0, 2])
    rig.binding.CreateJointWeightsPrimvar(True, 2).Set([0.5, 0.25])
    rig.binding.CreateJointsAttr(["Root/A/B", "Nope", "Root"])
    return rig.saved()


def quaternions_of_other_lengths(folder: Path) -> Path:
    rig = Rig(folder)

    def stretched(channel: str, time: float) -> Any:
        made = values(channel, len(JOINTS), time)
        return (
            [q * length for q, length in zip(made, (0.7, 1.0, 1.3), strict=True)]
            if "rot" in channel
            else made
        )

    each_sample(rig, stretched)
    return rig.saved()


@filled
def scales_keyed_within_finished_motion(folder: Path) -> Path:
    return Rig(folder, times={"scales": (1.0, 4.5, 15.0, 20.25, 26.0)}).saved()


@filled
def finished_motion_within_three_frames(folder: Path) -> Path:
    Rig(folder, times=dict.fromkeys(CHANNELS, (*DENSE, 40.0, 80.0))).saved()
    return shot(folder, "subLayers = [@./hero.usda@ (offset = 1.1; scale = 0.25)]")


@filled
def clips_that_jump_from_a_key(folder: Path) -> Path:
    """The last pose before the jump, at 18, is a sample of the clip; the next one is the clip's at 26."""
    stage, path = in_clips(folder)
    body = _over_anim("quatf[] rotations\nfloat3[] translations\nhalf3[] scales")
    shot(folder, "", body, name="manifest.usda")
    _set_clips(stage, "/Char/Anim", "default", [(1, 1), (18, 18), (18, 2), (27, 11)])
    return path


@filled
def a_block_between_keys(folder: Path) -> Path:
    rig = Rig(folder, times=dict.fromkeys(CHANNELS, (*DENSE, 16.0, 20.0, 26.0)))
    rig.animation.GetRotationsAttr().Set(Sdf.ValueBlock(), 23.0)
    return rig.saved()


@ignored("scales is missing; USD then ignores the animation")
def no_scales(folder: Path) -> Path:
    rig = Rig(folder, times={"scales": ()})
    rig.animation.GetPrim().RemoveProperty("scales")
    return rig.saved()


@ignored("scales is missing; USD then ignores the animation")
def scales_blocked_in_a_stronger_layer(folder: Path) -> Path:
    Rig(folder).saved()
    body = 'over "Char" {\nover "Anim" {\nhalf3[] scales = None\n}\n}\n'
    return shot(folder, "subLayers = [@./hero.usda@]", body)


@ignored("none of its 0 joints belongs to")
def an_animation_without_joints(folder: Path) -> Path:
    rig = Rig(folder)
    rig.animation.GetPrim().RemoveProperty("joints")
    return rig.saved()


@ignored("the skeleton has no animation")
def a_source_on_the_mesh(folder: Path) -> Path:
    rig = Rig(folder)
    rig.binding.CreateAnimationSourceRel().SetTargets(["/Char/Anim"])
    rig.stage.GetPrimAtPath("/Char/Skel").RemoveProperty("skel:animationSource")
    return rig.saved()


@ignored("no valid restTransforms for them, so USD ignores it")
def a_part_without_rest(folder: Path) -> Path:
    rig = one_joint_of_three(folder)
    stage = Usd.Stage.Open(str(rig))
    stage.GetPrimAtPath("/Char/Skel").RemoveProperty("restTransforms")
    stage.Save()
    return rig


@ignored("which is no active SkelAnimation")
def an_animation_that_is_off(folder: Path) -> Path:
    rig = Rig(folder)
    rig.animation.GetPrim().SetActive(False)
    return rig.saved()


@pytest.mark.parametrize("name", FILLED)
def test_what_is_kept_is_the_source_s(name: str, tmp_path: Path) -> None:
    source = FILLED[name](tmp_path)
    done = Outcome(source, tmp_path)
    assert judged(source, done.run.result) == []
    for time in (-30.0, 1.0, 12.0):  # before all, and in what is finished nearly everywhere
        gaps = [gap for plan in done.run.plan for gap in plan["gaps"]]
        if name == "an_array_edit_of_every_sample" and time < 1:
            continue  # USD itself gives NaN there (findings/usd_array_edit_before_samples.sh)
        if not any(gap["start"] < time < gap["end"] for gap in gaps):
            assert done.points_differ(time) == 0
    assert not [found for found in check_file(source) if found.rule[:2] == "SA" and found.severity == "error"]


@pytest.mark.parametrize("author", ["over", "flat"])
@pytest.mark.parametrize(
    "name",
    [
        "a_variable_in_a_path",
        "a_relocated_animation",
        "layers_of_three_rates",
        "clips_referenced_with_offsets",
        "clips_that_jump_from_a_key",
    ],
)
def test_other_ways_to_author_it_keep_it_too(name: str, author: str, tmp_path: Path) -> None:
    """Variables of the root stage were not known where the mode ``over`` was tried before the run."""
    source = FILLED[name](tmp_path)
    done = Outcome(source, tmp_path, author=author)
    assert judged(source, done.run.result) == []


@pytest.mark.parametrize("name", IGNORED)
def test_what_usd_ignores_is_refused_when_planning(name: str, tmp_path: Path) -> None:
    build, said = IGNORED[name]
    source = build(tmp_path)
    with pytest.raises((EngineError, UsdIoError), match=said):
        engine_run.plan(RunConfig(stage=str(source)))
    stage = Usd.Stage.Open(str(source))
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Char/Skel")))
    poses = [query.ComputeJointLocalTransforms(time) for time in (1.0, 6.0, 18.0)]
    assert poses[0] == poses[1] == poses[2]  # the rest pose, or none


def plan_of(source: Path) -> Any:
    (made,) = engine_run.plan(RunConfig(stage=str(source))).plans
    return made


def test_a_channel_that_is_keyed_all_along_takes_no_context_away(tmp_path: Path) -> None:
    source = scales_keyed_within_finished_motion(tmp_path)
    plan = plan_of(source)
    assert plan.contexts == ((1, 12),)
    assert plan.keys == (12, 18, 26)
    assert plan.pose_keys == (26,)  # where no channel is filled
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(12, 18), (18, 26)]
    assert plan.channels["scales"].keys == (1, 4.5, 15, 20.25, 26)
    assert any("scales are keyed all along" in said for said in plan.warnings)
    done = Outcome(source, tmp_path)
    scales = done.samples(done.result, "scales")
    # slerp is linear in scales, so that it is what USD shows of the keys, to the half precision that it stores
    was = done.animation(done.source).GetAttribute("scales")
    assert set(range(1, 27)) | {4.5, 20.25} <= scales.keys()
    for time, value in scales.items():
        assert max(abs(a - b) for a, b in zip(value[1], was.Get(time)[1], strict=True)) < 1e-3
    for channel in ("translations", "rotations"):
        kept = {t: v for t, v in done.samples(done.result, channel).items() if t <= 12}
        assert kept == {t: v for t, v in done.samples(done.source, channel).items() if t <= 12}


def test_without_finished_rotations_there_is_no_context(tmp_path: Path) -> None:
    plan = plan_of(Rig(tmp_path, times={"rotations": (1.0, 6.0, 12.0, 18.0, 26.0)}).saved())
    assert plan.contexts == ()
    assert plan.keys == (1, 6, 12, 18, 26)
    assert plan.channels["translations"].keys == (12, 18, 26)
    assert all(own.contexts is None for own in plan.channels.values())


def test_samples_finer_than_frames_are_finished_motion_however_short(tmp_path: Path) -> None:
    plan = plan_of(finished_motion_within_three_frames(tmp_path))
    assert plan.contexts == ((1.35, 4.1),)  # eleven quarters of a frame
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(4.1, 11.1), (11.1, 21.1)]
    assert not any("less than a frame apart" in said for said in plan.warnings)


@pytest.mark.parametrize("takes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_before_at_and_after_a_jump_of_clips_is_what_usd_shows(takes: int, tmp_path: Path) -> None:
    source = clips_that_jump_from_a_key(tmp_path)
    before = plan_of(source).gaps[0].end
    assert 18 - 1e-6 < before < 18
    assert plan_of(source).contexts[-1] == (18, 27)
    done = Outcome(source, tmp_path, takes=takes)
    assert judged(source, done.run.result) == []
    for time in (12.0, before, 18 - 1e-10, 18.0, 18.5, 19.0):
        assert done.differs(SKEL, time) == 0
    turned = done.samples(done.result, "rotations")
    assert {13.0, 14.0, 15.0, 16.0, 17.0, before, 18.0} <= turned.keys()
    # up to the jump it goes on from frame to frame, no faster than the way from key to key and back again
    way = [turned[t] for t in (12.0, 13.0, 14.0, 15.0, 16.0, 17.0, before)]
    turns = [abs(a[1].real - b[1].real) for a, b in pairwise(way)]
    assert max(turns) < 0.3


def test_what_clips_hold_before_and_after_their_samples_is_no_gap(tmp_path: Path) -> None:
    source = clips_held_before_and_after_their_motion(tmp_path)
    stage = Usd.Stage.Open(str(source))
    reported = stage.GetAttributeAtPath("/Char/Anim.rotations").GetTimeSamples()
    assert (reported[0], reported[-1]) == (0, 199)
    plan = plan_of(source)
    assert plan.contexts == ((100, 111),)
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(111, 117), (117, 125)]
    done = Outcome(source, tmp_path)
    assert judged(source, done.run.result) == []
    assert [done.differs(SKEL, time) for time in (-5, 0, 50, 99.5, 100, 125, 150, 199, 250)] == [0] * 9


def test_a_block_between_keys_is_said_and_kept(tmp_path: Path) -> None:
    source = a_block_between_keys(tmp_path)
    plan = plan_of(source)
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(12, 16), (16, 20)]
    (said,) = [each for each in plan.warnings if "is blocked" in each]
    assert "/Char/Anim is blocked between 20 and 26, where USD shows the rest pose" in said
    done = Outcome(source, tmp_path)
    assert [done.differs(SKEL, time) for time in (20, 21.5, 22.99, 23, 24.5, 26)] == [0] * 6
    rig = Rig(tmp_path, "all.usda", times=dict.fromkeys(CHANNELS, (*DENSE, 20.0)))
    rig.animation.GetScalesAttr().Set(Sdf.ValueBlock(), 16.0)
    with pytest.raises(NothingToFill, match="and 20: /Char/Anim is blocked between 12 and 20"):
        plan_of(rig.saved())
    rig = Rig(tmp_path, "key.usda", times=dict.fromkeys(CHANNELS, (*DENSE, 20.0)))
    rig.animation.GetRotationsAttr().Set(Sdf.ValueBlock(), 20.0)  # the only key
    with pytest.raises(NothingToFill, match="and 12: /Char/Anim is blocked after 12"):
        plan_of(rig.saved())


def test_filled_rotations_are_as_long_as_those_of_the_keys(tmp_path: Path) -> None:
    source = quaternions_of_other_lengths(tmp_path)
    done = Outcome(source, tmp_path)
    assert judged(source, done.run.result) == []
    assert any("28 rotations are no unit quaternions" in said for said in done.run.plan[0]["warnings"])
    for value in done.samples(done.result, "rotations").values():
        assert [q.GetLength() for q in value] == pytest.approx([0.7, 1, 1.3], abs=1e-6)


def test_scales_with_a_key_between_two_samples_are_right_within_their_rounding(tmp_path: Path) -> None:
    """USD interpolates scales in half floats: with a sample more they are up to 0.002 off between samples, and points
    far from all joints so much further."""
    rig = Rig(tmp_path, times={"scales": (1.0, 40.0)})
    rig.mesh.GetPointsAttr().Set([(100 * x, y, z) for y in range(3) for x in (0, 1) for z in (0, 1)])
    done = Outcome(rig.saved(), tmp_path, keys=(12.0, 18.0, 26.0))
    assert max(done.differs(SKEL, time) for time in (1.0, 12.0, 18.0, 26.0)) == 0
    assert 0 < max(done.points_differ(time) for time in (1.5, 3.5, 5.5, 7.5)) < 0.6


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (
            {"translations": (*DENSE, 18, 22, 26), "rotations": (*DENSE, 20, 26), "scales": (1, 26)},
            "exact: all 5 kept to the last bit (12, 18, 20, 22: of the channels that are keyed there), and",
        ),
        (
            {"scales": (1.0, 4.5, 15.0, 20.25, 26.0)},
            "and the finished motion with them, but for scales, filled between keys of their own",
        ),
        ({}, "exact: all 3 kept to the last bit, and the finished motion with them\n"),
    ],
)
def test_it_is_said_which_channels_keep_a_key(times: dict[str, Any], words: str, tmp_path: Path) -> None:
    from anymole_tui.run_report import run_report

    done = Outcome(Rig(tmp_path, times=times).saved(), tmp_path)
    assert words in run_report(done.run)


def test_an_edit_copied_above_its_layer_is_applied_once(tmp_path: Path) -> None:
    path = an_array_edit_among_the_samples_of_one_layer(tmp_path)
    config = RunConfig(str(path), out=str(tmp_path / "out"), author="over", preview=False, report=False)
    result = engine_run.run(config).result
    stages = [Usd.Stage.Open(str(stage)) for stage in (path, result)]
    of_source, of_result = (stage.GetAttributeAtPath("/Char/Anim.rotations").Get(5.0) for stage in stages)
    assert len(of_source) == len(JOINTS)
    assert list(of_result) == list(of_source)
