"""Several takes of a result: one layer, a variant each, and the root says which of them is shown."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdSkel

from tests.usd_io.author.test_result import (
    CHANNELS,
    FOX,
    FOX_KEYS,
    FOX_LAYERED,
    FOX_PACKAGE,
    FOX_SURVEY,
    INSTANCES,
    all_takes,
    assert_mutes_to,
    stage_of,
)
from usd_io.author.layers import CONFIDENCE
from usd_io.author.result import AuthorMode, Take, author_result
from usd_io.author.takes import read_takes, select_take
from usd_io.check.rules import check_file
from usd_io.errors import AuthorError, StageNotFoundError, TakeNotFoundError
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage


def with_others(take: Take, count: int) -> Take:
    """The take and others that differ from it between the keys."""
    between = ~np.isin(take.motion.times, take.key_times)
    shift = between[:, None, None] * np.float32(0.25)
    others = (
        replace(take.motion, translations=take.motion.translations + n * shift) for n in range(1, count)
    )
    return replace(take, others=tuple(others))


def takes_of(source: Path, count: int = 3) -> dict[str, Take]:
    return {path: with_others(take, count) for path, take in all_takes(source).items()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("source", [FOX_KEYS, FOX_SURVEY, FOX_LAYERED, FOX_PACKAGE], ids=lambda p: p.name)
def test_all_takes_are_variants_of_one_layer(source: Path, tmp_path: Path) -> None:
    """Seen through UsdSkel alone, which knows nothing of how they were written."""
    takes = takes_of(source)
    result = author_result(source, tmp_path, "fox", takes)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fox.usda", "fox_anim.usdc"]
    stage = Usd.Stage.Open(str(result.root))
    variants = stage.GetPrimAtPath("/Fox").GetVariantSets().GetVariantSet("anymole_take")
    assert variants.GetVariantNames() == ["take_1", "take_2", "take_3"]
    assert variants.GetVariantSelection() == "take_1"
    for name, motion in zip(variants.GetVariantNames(), takes[FOX].motions, strict=True):
        variants.SetVariantSelection(name)
        query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(FOX))).GetAnimQuery()
        for time, wanted in zip(motion.times[::7].tolist(), motion.translations[::7], strict=True):
            np.testing.assert_array_equal(
                np.array(query.ComputeJointLocalTransformComponents(time)[0]), wanted
            )
    assert_mutes_to(result, source)
    assert not [found for found in check_file(result.root) if found.severity == "error"]


def test_choosing_a_take_changes_the_root_and_nothing_else(tmp_path: Path) -> None:
    takes = takes_of(FOX_KEYS)
    result = author_result(FOX_KEYS, tmp_path, "fox", takes)
    root, data = digest(result.root), digest(result.layer)
    assert (read_takes(result.root).count, read_takes(result.root).active) == (3, 1)
    for number in (2, 3, 1):
        assert select_take(result.root, number).active == number
        read = read_motion(open_stage(result.root), FOX)
        for channel in CHANNELS:
            np.testing.assert_array_equal(
                getattr(read, channel), getattr(takes[FOX].motions[number - 1], channel)
            )
    assert digest(result.layer) == data
    assert digest(result.root) != root
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fox.usda", "fox_anim.usdc"]
    assert_mutes_to(result, FOX_KEYS)


def test_every_take_keeps_its_keys_by_the_rules(tmp_path: Path) -> None:
    result = author_result(FOX_KEYS, tmp_path, "fox", takes_of(FOX_KEYS))
    select_take(result.root, 3)
    assert not [found for found in check_file(result.root) if found.rule == "SA008"]


def test_a_take_off_its_keys_is_refused_after_writing(tmp_path: Path) -> None:
    take = takes_of(FOX_KEYS)[FOX]
    bad = replace(take.others[1], times=take.motion.times + 0.5)
    with pytest.raises(AuthorError, match="different times"):
        author_result(FOX_KEYS, tmp_path, "fox", {FOX: replace(take, others=(take.others[0], bad))})
    assert not list(tmp_path.iterdir())


def test_takes_of_an_instance_are_variants_beside_the_original(tmp_path: Path) -> None:
    source = stage_of(tmp_path / "in", INSTANCES)
    path = "/World/B/Skeleton"
    takes = {path: takes_of(source, 2)[path]}
    result = author_result(source, tmp_path / "out", "fox", takes, mode="variant")
    stage = Usd.Stage.Open(str(result.root))
    variants = stage.GetPrimAtPath("/World/B").GetVariantSets().GetVariantSet("inbetween")
    assert variants.GetVariantNames() == ["inbetween_take_1", "inbetween_take_2", "original"]
    assert select_take(result.root, 2).active == 2
    read = read_motion(open_stage(result.root), path)
    np.testing.assert_array_equal(read.translations, takes[path].others[0].translations)


def test_two_characters_change_their_takes_together(arm_pair: Path, tmp_path: Path) -> None:
    takes = takes_of(arm_pair, 2)
    result = author_result(arm_pair, tmp_path / "out", "arms", takes)
    select_take(result.root, 2)
    for path, take in takes.items():
        read = read_motion(open_stage(result.root), path)
        np.testing.assert_array_equal(read.translations, take.others[0].translations)


def test_confidence_is_one_number_per_frame_and_joint_in_every_take(tmp_path: Path) -> None:
    take = takes_of(FOX_KEYS)[FOX]
    confidence = np.random.default_rng(1).random(take.motion.translations.shape[:2]).astype(np.float32)
    result = author_result(FOX_KEYS, tmp_path, "fox", {FOX: replace(take, confidence=confidence)})
    select_take(result.root, 2)
    stage = Usd.Stage.Open(str(result.root))
    attribute = stage.GetPrimAtPath(result.animations[FOX]).GetAttribute(CONFIDENCE)
    assert attribute.GetTimeSamples() == take.motion.times.tolist()
    read = np.array([attribute.Get(time) for time in take.motion.times.tolist()])
    np.testing.assert_array_equal(read, confidence)


def test_a_second_result_over_the_first_has_takes_of_its_own(tmp_path: Path) -> None:
    first = author_result(FOX_KEYS, tmp_path, "one", takes_of(FOX_KEYS))
    select_take(first.root, 2)
    second = author_result(first.root, tmp_path, "two", takes_of(first.root, 2))
    assert select_take(second.root, 2).count == 2
    assert read_takes(first.root).active == 2
    assert_mutes_to(second, first.root)


@pytest.mark.parametrize("mode", ["rebind", "variant"])
def test_a_single_take_cannot_be_changed(mode: AuthorMode, tmp_path: Path) -> None:
    result = author_result(FOX_KEYS, tmp_path, "fox", all_takes(FOX_KEYS), mode=mode)
    assert (read_takes(result.root).count, read_takes(result.root).active) == (1, 1)
    for number in (0, 2):
        with pytest.raises(TakeNotFoundError, match=f"has no take {number}: it has 1"):
            select_take(result.root, number)


def test_over_has_room_for_one_take(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="room for one take"):
        author_result(FOX_KEYS, tmp_path, "fox", takes_of(FOX_KEYS), mode="over")


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="is no result of anymole"):
        select_take(FOX_SURVEY, 1)
    with pytest.raises(StageNotFoundError):
        select_take(tmp_path / "none.usda", 1)


@pytest.mark.parametrize(
    "takes",
    [{"0": 3}, {"0": {"variants": {"names": {"a": 1, "b": 2}}}}, 7,
     {"0": {"variants": {"owner": "/a.b", "set": "s", "names": ["a", "b"]}}}],
)  # fmt: skip
def test_a_damaged_record_is_called_so(takes: object, tmp_path: Path) -> None:
    result = author_result(FOX_KEYS, tmp_path, "fox", takes_of(FOX_KEYS))
    layer = Sdf.Layer.FindOrOpen(str(result.layer))
    record = layer.customLayerData["anymole"]
    if isinstance(takes, dict) and isinstance(held := takes["0"], dict) and "set" in held["variants"]:
        held["variants"]["names"] = record["takes"]["0"]["variants"]["names"]
    layer.customLayerData = {"anymole": {**record, "takes": takes}}
    layer.Save()
    with pytest.raises(AuthorError, match="record of its takes is damaged"):
        select_take(result.root, 2)


def test_a_root_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = author_result(FOX_KEYS, tmp_path, "fox", takes_of(FOX_KEYS))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AuthorError, match="No space left"):
        select_take(result.root, 2)
    monkeypatch.undo()
    assert read_takes(result.root).active == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fox.usda", "fox_anim.usdc"]
