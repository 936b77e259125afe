"""Results are whole, exact and harmless: what opens, what mutes away, what is refused, what a crash leaves."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io.author import result as author
from usd_io.author.layers import CONFIDENCE
from usd_io.author.result import Authored, Take, author_result
from usd_io.check.rules import check_file
from usd_io.errors import AuthorError, StageNotFoundError
from usd_io.model import Motion
from usd_io.read.motion import read_motion
from usd_io.read.skeleton import bound_skeleton, skeleton_prims
from usd_io.read.stage import open_stage

DATA = Path(__file__).parents[2] / "data"
FOX_KEYS = DATA / "edge/fox_survey_keys.usda"
FOX_SURVEY = DATA / "fox/fox_survey.usda"
FOX_LAYERED = DATA / "edge/fox_shot_layered.usda"
FOX_PACKAGE = DATA / "edge/fox_survey.usdz"
FOX = "/Fox/Skeleton"
CHANNELS = ("translations", "rotations", "scales")


def dense_take(stage: Usd.Stage, path: str) -> Take:
    """The source's own motion at its samples and at every frame; in between, the joints that it drives are nudged."""
    keys = bound_skeleton(stage, path).sample_times()
    if len(keys) < 2:
        keys = np.array([stage.GetStartTimeCode(), stage.GetStartTimeCode() + 1])
    step = stage.GetTimeCodesPerSecond() / stage.GetFramesPerSecond()
    times = np.union1d(keys, np.arange(keys[0], keys[-1], step))
    motion = read_motion(stage, path, times)
    between = ~np.isin(times, keys)
    translations = motion.translations.copy()
    animated = np.ones(translations.shape[1], bool) if motion.animated is None else motion.animated
    translations[np.ix_(between, animated)] += np.float32(0.125)
    return Take(replace(motion, translations=translations), tuple(keys.tolist()))


def all_takes(source: Path) -> dict[str, Take]:
    stage = open_stage(source)
    return {str(prim.GetPath()): dense_take(stage, str(prim.GetPath())) for prim in skeleton_prims(stage)}


def digests(source: Path) -> dict[str, str]:
    stage = open_stage(source)
    files = [layer.realPath.split("[")[0] for layer in stage.GetUsedLayers() if layer.realPath]
    return {file: hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files}


def metrics(stage: Usd.Stage) -> tuple[object, ...]:
    return (
        UsdGeom.GetStageUpAxis(stage),
        UsdGeom.GetStageMetersPerUnit(stage),
        stage.GetTimeCodesPerSecond(),
        stage.GetFramesPerSecond(),
        stage.GetStartTimeCode(),
        stage.GetEndTimeCode(),
        stage.GetDefaultPrim().GetPath(),
    )


def assert_holds(result: Authored, takes: dict[str, Take]) -> None:
    """The result shows each take bit for bit at all of its frames."""
    stage = open_stage(result.root)
    for path, take in takes.items():
        read = read_motion(stage, path)
        assert read.animation_path == result.animations[path]
        np.testing.assert_array_equal(read.times, take.motion.times)
        for channel in CHANNELS:
            np.testing.assert_array_equal(getattr(read, channel), getattr(take.motion, channel), channel)


def assert_mutes_to(result: Authored, source: Path) -> None:
    """Muting the data layer gives the source back, bindings and samples alike."""
    stage, original = Usd.Stage.Open(str(result.root)), open_stage(source)
    stage.MuteLayer(str(result.layer))
    assert [p.GetPath() for p in stage.TraverseAll()] == [p.GetPath() for p in original.TraverseAll()]
    for prim in skeleton_prims(original):
        path = str(prim.GetPath())
        if len(bound_skeleton(original, path).sample_times()) < 2:
            continue
        ours, theirs = read_motion(stage, path), read_motion(original, path)
        assert ours.animation_path == theirs.animation_path
        for channel in ("times", *CHANNELS):
            np.testing.assert_array_equal(getattr(ours, channel), getattr(theirs, channel))


@pytest.mark.parametrize("source", [FOX_KEYS, FOX_SURVEY, FOX_LAYERED, FOX_PACKAGE], ids=lambda p: p.name)
@pytest.mark.parametrize("mode", ["rebind", "over"])
def test_result_is_exact_opens_alike_and_mutes_to_the_source(
    source: Path, mode: author.AuthorMode, tmp_path: Path
) -> None:
    takes, before = all_takes(source), digests(source)
    result = author_result(source, tmp_path / "new", "fox", takes, mode=mode)
    assert_holds(result, takes)
    assert_mutes_to(result, source)
    assert metrics(open_stage(result.root)) == metrics(open_stage(source))
    assert digests(source) == before
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["fox.usda", "fox_anim.usdc"]
    assert not [found for found in check_file(result.root) if found.severity == "error"]


def test_rebind_defines_a_new_animation_beside_the_old_one(tmp_path: Path) -> None:
    first = author_result(FOX_KEYS, tmp_path, "one", all_takes(FOX_KEYS))
    assert first.animations == {FOX: "/Fox/Anim/Survey_inbetween"}
    again = author_result(first.root, tmp_path, "two", all_takes(first.root))
    assert again.animations == {FOX: "/Fox/Anim/Survey_inbetween_2"}
    layer = Sdf.Layer.FindOrOpen(str(first.layer))
    assert layer.GetPrimAtPath(FOX).GetInfo("apiSchemas").prependedItems == ["SkelBindingAPI"]
    types = {
        name: str(layer.GetAttributeAtPath(f"{first.animations[FOX]}.{name}").typeName) for name in CHANNELS
    }
    assert types == {"translations": "float3[]", "rotations": "quatf[]", "scales": "half3[]"}


def test_result_opens_by_every_name_of_its_folder(tmp_path: Path) -> None:
    source = copy_fox(tmp_path / "in")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/away")
    takes = all_takes(source)
    result = author_result(source, tmp_path / "link", "fox", takes)
    for folder in ("link", "far/away"):
        stage = Usd.Stage.Open(str(tmp_path / folder / result.root.name))
        assert not stage.GetCompositionErrors()
        assert stage.GetPrimAtPath(FOX).IsA(UsdSkel.Skeleton)


def test_root_names_its_layers_by_relative_paths(tmp_path: Path) -> None:
    source = copy_fox(tmp_path / "in")
    result = author_result(source, tmp_path / "out", "fox", all_takes(source))
    assert Sdf.Layer.FindOrOpen(str(result.root)).subLayerPaths == ["./fox_anim.usdc", "../in/fox.usdc"]


def copy_fox(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fox.usdc").write_bytes((DATA / "fox/fox.usdc").read_bytes())
    return folder / "fox.usdc"


def stage_of(folder: Path, body: str, metadata: str = 'defaultPrim = "World"') -> Path:
    """A small stage beside a copy of the fox, which it may reference as @./fox.usdc@."""
    copy_fox(folder)
    path = folder / "scene.usda"
    path.write_text(f'#usda 1.0\n({metadata}\n upAxis = "Y"\n metersPerUnit = 0.01)\n{body}')
    return path


def test_variant_adds_a_take_to_a_referenced_character(tmp_path: Path) -> None:
    takes = all_takes(FOX_KEYS)
    result = author_result(FOX_KEYS, tmp_path, "fox", takes, mode="variant", name="calm")
    assert_holds(result, takes)
    assert_mutes_to(result, FOX_KEYS)
    stage = open_stage(result.root)
    variants = stage.GetPrimAtPath("/Fox").GetVariantSets().GetVariantSet("inbetween")
    assert variants.GetVariantNames() == ["calm", "original"]
    variants.SetVariantSelection("original")
    assert read_motion(stage, FOX).animation_path == "/Fox/Anim/Survey"


@pytest.mark.parametrize("source", [FOX_SURVEY, FOX_PACKAGE, FOX_LAYERED], ids=lambda p: p.name)
def test_variant_is_refused_where_a_local_opinion_would_win(source: Path, tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match=r"stronger than any variant. Use the mode rebind"):
        author_result(source, tmp_path, "fox", all_takes(source), mode="variant")
    assert not list(tmp_path.iterdir())


INSTANCES = """
def Xform "World" {
    def "A" (instanceable = true
        references = @./fox.usdc@) {
    }
    def "B" (instanceable = true
        references = @./fox.usdc@) {
    }
}
"""


@pytest.mark.parametrize("mode", ["rebind", "over"])
def test_skeleton_bound_inside_an_instance_is_refused(mode: author.AuthorMode, tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", INSTANCES)
    with pytest.raises(AuthorError, match=r"inside (the|an) instance.*mode variant"):
        author_result(source, tmp_path / "out", "fox", all_takes(source), mode=mode)


def test_variant_gives_one_instance_a_motion_of_its_own(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", INSTANCES)
    takes = {"/World/B/Skeleton": all_takes(source)["/World/B/Skeleton"]}
    result = author_result(source, tmp_path / "out", "fox", takes, mode="variant")
    assert_holds(result, takes)
    assert_mutes_to(result, source)
    stage = open_stage(result.root)
    assert read_motion(stage, "/World/A/Skeleton").animation_path == "/World/A/Anim/Survey"
    assert stage.GetPrimAtPath("/World/B").IsInstance()


ARM = """
    def SkelAnimation "Anim" {
        uniform token[] joints = ["hip", "hip/knee"]
        float3[] translations.timeSamples = { 0: [(0, 1, 0), (1, 0, 0)], 4: [(0, 2, 0), (1, 0, 0)] }
        quatf[] rotations.timeSamples = { 0: [(1, 0, 0, 0), (1, 0, 0, 0)], 4: [(0, 1, 0, 0), (1, 0, 0, 0)] }
        half3[] scales = [(1, 1, 1), (1, 1, 1)]
        uniform token[] blendShapes = ["smile", "blink"]
        float[] blendShapeWeights.timeSamples = { 0: [0, 0.1], 1.5: [0.7, 0.3], 4: [1, 0] }
    }
"""
SKELETON = """
    def Skeleton "{name}" {{
        uniform token[] joints = ["hip", "hip/knee"]
        uniform matrix4d[] bindTransforms = [{one}, {one}]
        uniform matrix4d[] restTransforms = [{one}, {one}]
    }}
"""
ONE = "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))"
BINDS = 'prepend apiSchemas = ["SkelBindingAPI"]'


def arm(skeletons: int = 1) -> str:
    """Skeletons under one SkelRoot, bound to one animation through the root."""
    below = "".join(SKELETON.format(name=f"S{number}", one=ONE) for number in range(skeletons))
    return f'def SkelRoot "World" ({BINDS}) {{\n rel skel:animationSource = </World/Anim>\n{ARM}{below}}}\n'


def test_binding_of_an_ancestor_is_replaced_where_it_is_authored(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm())
    takes = all_takes(source)
    result = author_result(source, tmp_path / "out", "arm", takes)
    assert_holds(result, takes)
    assert Sdf.Layer.FindOrOpen(str(result.layer)).GetRelationshipAtPath("/World.skel:animationSource")


def test_skeletons_go_on_sharing_an_animation(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm(2))
    takes = all_takes(source)
    moved = replace(
        takes["/World/S1"].motion, translations=takes["/World/S1"].motion.translations + np.float32(1)
    )
    result = author_result(source, tmp_path / "out", "arm", {**takes, "/World/S1": Take(moved)})
    assert result.animations == dict.fromkeys(takes, "/World/Anim_inbetween")
    assert_holds(result, dict.fromkeys(takes, takes["/World/S0"]))
    assert_mutes_to(result, source)


def test_further_skeletons_share_the_result(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm(3))
    one = {"/World/S1": all_takes(source)["/World/S1"]}
    result = author_result(source, tmp_path / "out", "arm", one, sharing=["/World/S2"])
    stage = open_stage(result.root)
    bound = [read_motion(stage, f"/World/S{number}").animation_path for number in range(3)]
    assert bound == ["/World/Anim", "/World/Anim_inbetween", "/World/Anim_inbetween"]


def test_other_skeletons_keep_a_shared_animation(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm(2))
    result = author_result(source, tmp_path / "out", "arm", {"/World/S1": all_takes(source)["/World/S1"]})
    assert read_motion(open_stage(result.root), "/World/S0").animation_path == "/World/Anim"


def test_over_changes_all_skeletons_of_an_animation_or_none(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm(2))
    takes = all_takes(source)
    with pytest.raises(AuthorError, match=r"also drives </World/S1>.*use the mode rebind"):
        author_result(source, tmp_path / "out", "arm", {"/World/S0": takes["/World/S0"]}, mode="over")
    assert_holds(author_result(source, tmp_path / "out", "arm", takes, mode="over"), takes)


def test_instances_bound_from_above_are_rebound_on_the_instance(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    model = arm().replace("rel skel:animationSource = </World/Anim>", "")
    (tmp_path / "in/model.usda").write_text(f'#usda 1.0\n(defaultPrim = "World")\n{model}')
    instance = f'def "I{{}}" (instanceable = true\n {BINDS}\n references = @./model.usda@) {{\n {{}}\n}}\n'
    bound = "rel skel:animationSource = </World/Anim>"
    body = f'def Xform "World" {{\n{ARM}{instance.replace("{}", "0", 1).replace("{}", bound)}'
    body = (
        body.replace("{{", "{").replace("}}", "}")
        + instance.replace("{}", "1", 1).replace("{}", bound)
        + "}\n"
    )
    source = stage_of(tmp_path / "in", body)
    takes = {"/World/I1/S0": all_takes(source)["/World/I1/S0"]}
    result = author_result(source, tmp_path / "out", "arm", takes)
    assert_holds(result, takes)
    assert result.animations == {"/World/I1/S0": "/World/Anim_inbetween"}
    assert read_motion(open_stage(result.root), "/World/I0/S0").animation_path == "/World/Anim"


def test_blend_shape_weights_are_copied_as_authored(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", arm())
    result = author_result(source, tmp_path / "out", "arm", all_takes(source))
    stage, source_stage = open_stage(result.root), open_stage(source)
    animation = UsdSkel.Animation(stage.GetPrimAtPath(result.animations["/World/S0"]))
    original = UsdSkel.Animation(source_stage.GetPrimAtPath("/World/Anim"))
    assert animation.GetBlendShapesAttr().Get() == original.GetBlendShapesAttr().Get()
    weights, expected = animation.GetBlendShapeWeightsAttr(), original.GetBlendShapeWeightsAttr()
    assert weights.GetTimeSamples() == expected.GetTimeSamples() == [0, 1.5, 4]
    assert all(weights.Get(time) == expected.Get(time) for time in expected.GetTimeSamples())


def test_other_time_codes_per_second_are_not_rescaled(tmp_path: Path) -> None:
    body = 'def Xform "World" {\n def "Fox" (references = @./fox.usdc@) {\n }\n}\n'
    metadata = 'defaultPrim = "World"\n timeCodesPerSecond = 30\n framesPerSecond = 30'
    source = stage_of(tmp_path / "in", body, metadata)
    takes = all_takes(source)
    assert 1.25 in takes["/World/Fox/Skeleton"].motion.times
    result = author_result(source, tmp_path / "out", "fox", takes)
    assert_holds(result, takes)
    layers = [Sdf.Layer.FindOrOpen(str(path)) for path in (result.root, result.layer)]
    assert [layer.timeCodesPerSecond for layer in layers] == [30, 30]


def test_over_keeps_the_joint_order_of_the_animation(tmp_path: Path) -> None:
    shuffled = arm().replace('joints = ["hip", "hip/knee"]', 'joints = ["hip/knee", "hip"]', 1)
    source = stage_of(tmp_path / "in", shuffled)
    takes = all_takes(source)
    result = author_result(source, tmp_path / "out", "arm", takes, mode="over")
    assert_holds(result, takes)
    stage = open_stage(result.root)
    joints = UsdSkel.Animation(stage.GetPrimAtPath("/World/Anim")).GetJointsAttr().Get()
    assert list(joints) == ["hip/knee", "hip"]


def test_rotations_are_written_sign_continuous(tmp_path: Path) -> None:
    takes = all_takes(FOX_SURVEY)
    rotations = takes[FOX].motion.rotations.copy()
    rotations[1::2] *= -1
    flipped = {FOX: Take(replace(takes[FOX].motion, rotations=rotations))}
    result = author_result(FOX_SURVEY, tmp_path, "fox", flipped)
    assert_holds(result, takes)
    assert not [found for found in check_file(result.root) if found.rule == "SA005"]


def test_a_sign_that_the_next_key_forces_is_no_fault(tmp_path: Path) -> None:
    take = all_takes(FOX_KEYS)[FOX]
    start, end = take.gaps_of("rotations")[0]
    times, q = take.motion.times, take.motion.rotations.copy()
    inside = np.flatnonzero((times > start) & (times < end))
    # once around: what is filled comes to the key with its other sign
    w, x, y, z = q[times == start, 1][0]
    half = np.pi * (times[inside] - start) / (end - start)
    about_x = (w * np.cos(half) - x * np.sin(half), x * np.cos(half) + w * np.sin(half))
    q[inside, 1] = np.stack(
        [*about_x, y * np.cos(half) + z * np.sin(half), z * np.cos(half) - y * np.sin(half)], -1
    )
    around = replace(take, motion=replace(take.motion, rotations=q))
    result = author_result(FOX_KEYS, tmp_path, "fox", {FOX: around})
    (found,) = [one for one in check_file(result.root) if one.rule == "SA005"]
    assert (found.severity, found.time) == ("info", end)
    assert "meets its key with the other sign after a filled gap" in found.message


def test_provenance_and_confidence_are_stored(tmp_path: Path) -> None:
    take = all_takes(FOX_KEYS)[FOX]
    confidence = np.linspace(0, 1, take.motion.translations[..., 0].size, dtype=np.float32)
    confidence = confidence.reshape(take.motion.translations.shape[:2])
    made_by = {"engine": "motion", "seed": 7, "gaps": [[0, 12], [12, 24]], "none": None, "rates": [1, 2.5]}
    result = author_result(
        FOX_KEYS, tmp_path, "fox", {FOX: replace(take, confidence=confidence)}, provenance=made_by
    )
    record = Sdf.Layer.FindOrOpen(str(result.layer)).customLayerData["anymole"]
    assert (record["engine"], record["seed"], "none" in record) == ("motion", 7, False)
    assert list(record["gaps"]["1"]) == [12, 24]
    assert list(record["takes"]["0"]["keys"]) == list(take.key_times)
    hashes = {entry["sha256"] for entry in record["source"]["layers"].values()}
    assert hashes == set(digests(FOX_KEYS).values())
    stage = open_stage(result.root)
    attribute = stage.GetPrimAtPath(result.animations[FOX]).GetAttribute(CONFIDENCE)
    np.testing.assert_array_equal(np.array(attribute.Get(3.0)), confidence[3])


def test_overwriting_shows_the_new_result_in_the_same_process(tmp_path: Path) -> None:
    takes = all_takes(FOX_SURVEY)
    first = author_result(FOX_SURVEY, tmp_path, "fox", takes)
    still_open = open_stage(first.root)
    with pytest.raises(AuthorError, match=r"exists. Choose another name or allow overwriting"):
        author_result(FOX_SURVEY, tmp_path, "fox", takes)
    moved = replace(takes[FOX].motion, translations=takes[FOX].motion.translations + np.float32(1))
    result = author_result(FOX_SURVEY, tmp_path, "fox", {FOX: Take(moved)}, overwrite=True)
    assert_holds(result, {FOX: Take(moved)})
    np.testing.assert_array_equal(read_motion(still_open, FOX).translations, moved.translations)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("keep_earlier", [True, False])
def test_a_reader_sees_the_earlier_result_or_the_new_one_at_any_moment(
    keep_earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = all_takes(FOX_SURVEY)

    def found() -> tuple[bytes, bytes]:
        root = (tmp_path / "fox.usda").read_bytes()
        name = next(part for part in root.decode().split("@") if "_anim" in part)
        return root, (tmp_path / name).read_bytes()

    first = author_result(FOX_SURVEY, tmp_path, "fox", takes)
    seen, real = [found()], os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append(found())
        real(source, target)
        seen.append(found())

    monkeypatch.setattr(os, "replace", watched)
    second = author_result(
        FOX_SURVEY, tmp_path, "fox", takes, overwrite=True, name="other", keep_earlier=keep_earlier
    )
    assert seen == [seen[0]] * 4 + [found()]
    assert found() != seen[0]
    assert first.layer.exists() == keep_earlier
    assert sorted(path.name for path in tmp_path.iterdir() if path != first.layer) == [
        "fox.usda",
        second.layer.name,
    ]


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[5, 3] = np.nan
    return values


def one_joint_less(motion: Motion) -> Motion:
    return replace(motion, **{name: getattr(motion, name)[:, 1:] for name in CHANNELS})


BAD_TAKES: dict[str, tuple[Callable[[Motion], Take], str]] = {
    "nan": (
        lambda m: Take(replace(m, translations=with_nan(m.translations))),
        r"translations .* time code 5 are not finite",
    ),
    "half overflow": (lambda m: Take(replace(m, scales=m.scales * 1e6)), r"scales .* beyond 65504"),
    "not unit": (lambda m: Take(replace(m, rotations=m.rotations * 1.1)), "is not unit length"),
    "time order": (lambda m: Take(replace(m, times=m.times[::-1].copy())), "do not increase"),
    "joint count": (lambda m: Take(one_joint_less(m)), "has 24 joints and the motion 23"),
    "lost samples": (lambda m: Take(m.at(slice(2, None))), "samples from 0 to 82, which would be lost"),
    "key off frame": (lambda m: Take(m, (0.5,)), r"no frame at its key 0\.5"),
    "confidence": (lambda m: Take(m, (), np.zeros((len(m.times), 1))), "one value per frame and joint"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_TAKES.values(), ids=BAD_TAKES.keys())
def test_bad_take_is_refused_and_nothing_written(
    spoil: Callable[[Motion], Take], message: str, tmp_path: Path
) -> None:
    take = spoil(all_takes(FOX_SURVEY)[FOX].motion)
    with pytest.raises(AuthorError, match=message):
        author_result(FOX_SURVEY, tmp_path, "fox", {FOX: take})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stem", ["../fox", "a/b", "", ".", "..", "fox\x1b[0m", "fox\t", "a\\b"])
def test_stem_cannot_lead_out_of_the_folder(stem: str, tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="no plain file name"):
        author_result(FOX_SURVEY, tmp_path, stem, all_takes(FOX_SURVEY))


@pytest.mark.parametrize("stem", [".fox", "a:b", "f" * 239, "füchse ?", "a@b", "x[1]", "#fox", "~fox"])
def test_any_file_name_of_a_stage_can_be_a_result(stem: str, tmp_path: Path) -> None:
    source = copy_fox(tmp_path / "in").rename(tmp_path / "in" / f"{stem}.usdc")
    takes = all_takes(source)
    assert_holds(author_result(source, tmp_path / "out", stem, takes), takes)


def test_unknown_skeleton_and_bad_names_are_refused(tmp_path: Path) -> None:
    take = all_takes(FOX_SURVEY)[FOX]
    with pytest.raises(StageNotFoundError, match="/Fox/Skeleton"):
        author_result(FOX_SURVEY, tmp_path, "fox", {"/Nobody": take})
    with pytest.raises(AuthorError, match="no valid USD name"):
        author_result(FOX_SURVEY, tmp_path, "fox", {FOX: take}, name="take 1")
    with pytest.raises(AuthorError, match="USD cannot store"):
        author_result(FOX_SURVEY, tmp_path, "fox", {FOX: take}, provenance={"engine": object()})


def test_source_is_never_overwritten(tmp_path: Path) -> None:
    source = stage_of(tmp_path, arm())
    takes, before = all_takes(source), digests(source)
    with pytest.raises(AuthorError, match="is part of the source"):
        author_result(source, tmp_path, "scene", takes, overwrite=True)
    assert digests(source) == before


def test_read_only_source_is_enough(tmp_path: Path) -> None:
    source = copy_fox(tmp_path / "in")
    source.chmod(0o444)
    (tmp_path / "in").chmod(0o555)
    try:
        takes = all_takes(source)
        assert_holds(author_result(source, tmp_path / "out", "fox", takes), takes)
    finally:
        (tmp_path / "in").chmod(0o755)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["fox.usdc"]


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorError, match=r"fox.usda cannot be written \(.*\); choose another folder\."):
        author_result(FOX_SURVEY, tmp_path / "file/out", "fox", all_takes(FOX_SURVEY))


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("existing", [False, True])
def test_failed_rename_leaves_the_folder_as_it_was(
    call: int, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = all_takes(FOX_SURVEY)
    if existing:
        author_result(FOX_SURVEY, tmp_path, "fox", takes)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls, real = [], os.replace

    def fails(source: Path, target: Path) -> None:
        if not str(source).endswith(".old"):
            calls.append(target)
            if len(calls) == call:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(AuthorError, match="No space left on device"):
        author_result(FOX_SURVEY, tmp_path, "fox", takes, overwrite=True, name="other")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_failed_check_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise AuthorError("The pose read back is not the one written.")

    monkeypatch.setattr(author, "verify_result", fails)
    with pytest.raises(AuthorError, match="not the one written"):
        author_result(FOX_SURVEY, tmp_path, "fox", all_takes(FOX_SURVEY))
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from usd_io.author.result import Take, author_result
from usd_io.errors import AuthorError
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
motion = read_motion(open_stage(source), "/Fox/Skeleton")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    author_result(source, folder, "fox", {"/Fox/Skeleton": Take(motion)})
except AuthorError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", FULL_DISK, str(FOX_SURVEY), str(tmp_path), root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("refused:"), done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


ASSETS = Path(os.environ.get("ANYMOLE_ASSETS", Path(__file__).parents[4] / "shared/assets"))


def asset_files() -> list[Path]:
    """One file per character and all that are odd; the other clips of a character add nothing."""
    if not ASSETS.is_dir():
        return []
    found = [*ASSETS.glob("*/*.usdc"), *ASSETS.glob("edge/*.usd?"), *ASSETS.glob("native/*/*.usd*")]
    no_skeleton_to_write = {"fox_walk_anim_only.usda", "populate.usda", "jointInfluences.usda"}
    no_skeleton_to_write |= {"morpher_box.usd", "blendshapes.usda"}  # skeletons without joints
    return sorted(path for path in found if path.name not in no_skeleton_to_write)


@pytest.mark.skipif(not ASSETS.is_dir(), reason="the asset folder is not there")
@pytest.mark.parametrize("source", asset_files(), ids=lambda p: p.name)
def test_every_asset_round_trips(source: Path, tmp_path: Path) -> None:
    takes, before = all_takes(source), digests(source)
    mode: author.AuthorMode = "variant" if source.name == "frogs_instanced.usda" else "rebind"
    result = author_result(source, tmp_path, "out", takes, mode=mode)
    stage = open_stage(result.root)
    for path, take in takes.items():
        read = read_motion(stage, path, take.motion.times)
        for channel in CHANNELS:
            np.testing.assert_array_equal(getattr(read, channel), getattr(take.motion, channel))
    assert digests(source) == before
    assert_mutes_to(result, source)


def test_motion_fields_are_all_considered() -> None:
    """A new field of Motion needs a decision here: written, or taken from the source."""
    written = {"times", "translations", "rotations", "scales"}
    from_source = {"T_world_skel", "time_codes_per_second", "frame_rate", "animation_path", "animated"}
    copied = {"blend_shapes", "blend_weights", "channel_times", "breaks", "warnings"}
    assert set(Motion.__dataclass_fields__) == written | from_source | copied
