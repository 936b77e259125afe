"""One gap at a time: what it shows, seen by UsdSkel, and what stays as it is."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdSkel

from anymole_tui.cli.app import main
from engine.config import RunConfig
from engine.errors import ConfigError, EngineError, ExitCode, exit_code
from engine.files.owned_folder import read_list
from engine.run import resume, run
from engine.runs.registry import clean
from engine.runs.takes import choose_gap, choose_take, read_gaps
from engine.runs.workspace import own_run_folder
from engine.workers.thumbnails import answer
from usd_io.author.gaps import choose_gaps
from usd_io.check.rules import check_file
from usd_io.errors import AuthorError, TakeNotFoundError

ROOT = Path(__file__).parents[3]
SKELETON = "/Fox/Skeleton"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with two takes and two gaps, 30..40..50, over a clip that has samples in them, as the truth."""
    data = Path(__file__).parents[2] / "data"
    folder = tmp_path_factory.mktemp("gaps")
    shutil.copytree(data / "fox", folder / "fox")
    config = RunConfig(
        str(folder / "fox" / "fox_survey.usda"),
        keys=(30.0, 40.0, 50.0),
        prior="spline",
        takes=2,
        preview=False,
        out=str(folder / "run"),
    )
    return Path(run(config).result)


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made.parent.parent / "fox", tmp_path / "fox")
    shutil.copytree(made.parent, tmp_path / "run")
    return tmp_path / "run" / made.name


def seen(path: Path, time: float) -> np.ndarray:
    """Rotations that UsdSkel computes at a time, by a stage of its own."""
    stage = Usd.Stage.Open(str(path))
    stage.Reload()
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(SKELETON))
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root.Find(skeleton.GetPrim()), Usd.PrimDefaultPredicate)
    transforms = cache.GetSkelQuery(skeleton).ComputeJointLocalTransforms(time)
    return np.array([np.array(matrix) for matrix in transforms])


def takes_of(path: Path, time: float) -> list[np.ndarray]:
    """What each take has at a time, the source before them."""
    source = path.parent.parent / "fox" / "fox_survey.usda"
    found = [seen(source, time)]
    for number in (1, 2):
        choose_take(str(path), number)
        found.append(seen(path, time))
    choose_take(str(path), 1)
    return found


def test_every_gap_shows_what_is_chosen_for_it_and_the_rest_stays(result: Path) -> None:
    first, second, outside, key = (takes_of(result, time) for time in (35.0, 45.0, 20.0, 40.0))
    assert np.abs(second[1] - second[2]).max() > 1e-4
    source = (result.parent.parent / "fox" / "fox_survey.usda").read_bytes()
    data = next(result.parent.glob("*_anim*.usdc")).read_bytes()
    gaps = choose_gap(str(result), 2, 2)
    assert [gap.take for gap in gaps] == [1, 2]
    assert np.array_equal(seen(result, 35.0), first[1])
    assert np.array_equal(seen(result, 45.0), second[2])
    assert np.array_equal(seen(result, 20.0), outside[1])
    assert np.array_equal(seen(result, 40.0), key[1])
    gaps = choose_gap(str(result), 1, 0)
    assert [gap.take for gap in gaps] == [0, 2]
    assert np.allclose(seen(result, 35.0), first[0], atol=1e-6)
    assert np.array_equal(seen(result, 45.0), second[2])
    assert (result.parent.parent / "fox" / "fox_survey.usda").read_bytes() == source
    assert next(result.parent.glob("*_anim*.usdc")).read_bytes() == data


def test_what_is_accepted_is_in_the_layer_and_can_be_taken_back(result: Path) -> None:
    before = result.read_bytes()
    plain = read_gaps(str(result))
    assert choose_gap(str(result), 1, accepted=True)[0].accepted
    assert read_gaps(str(result))[0].accepted
    assert not choose_gap(str(result), 1, 2)[0].accepted  # another take has not been seen yet
    assert choose_gaps(result, plain) == plain
    assert not list(result.parent.glob("*_gaps.usdc"))
    assert before == result.read_bytes()


def test_a_take_for_all_gaps_replaces_what_was_chosen_for_each(result: Path) -> None:
    choose_gap(str(result), 1, 0)
    choose_take(str(result), 2)
    assert [gap.take for gap in read_gaps(str(result))] == [2, 2]
    assert np.array_equal(seen(result, 35.0), takes_of(result, 35.0)[2])


def test_what_is_not_there_cannot_be_chosen(result: Path) -> None:
    before = {path.name: path.read_bytes() for path in result.parent.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match="no gap 3"):
        choose_gap(str(result), 3, 1)
    with pytest.raises(ConfigError, match="no gap 9"):
        read_gaps(str(result), 9)
    with pytest.raises(TakeNotFoundError, match="no take 3") as none:
        choose_gap(str(result), 1, 3)
    assert exit_code(none.value) is ExitCode.USAGE
    with pytest.raises(TakeNotFoundError, match="no take -1"):
        choose_gaps(result, [replace(gap, take=-1) for gap in read_gaps(str(result))])
    assert before == {path.name: path.read_bytes() for path in result.parent.iterdir() if path.is_file()}


def test_the_command_line_chooses_for_one_gap(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["take", str(result), *words])
        out, err = capsys.readouterr()
        return f"{ended.value.code or 0} {out}{err}"

    assert "gap 2, 40..50: take 2" in said("--gap", "2", "--take", "2")
    assert "gap 1, 30..40: rejected" in said("--gap", "1", "--reject")
    assert "gap 2, 40..50: take 2, accepted" in said("--gap", "2", "--accept")
    assert '"take": 0' in said("--json")
    assert said("--take", "2").startswith("2 ")
    assert said("1", "--gap", "1").startswith("2 ")
    assert said("--gap", "9", "--reject").startswith("2 ")
    assert said("--gap", "1", "--reject", "--accept").startswith("2 ")
    assert "gap" not in said("1").split("\n", 1)[1]


def test_the_layer_of_the_choice_is_the_run_s_own(result: Path) -> None:
    choose_gap(str(result), 1, 2)
    layer = next(result.parent.glob("*_gaps.usdc"))
    assert layer.name in read_list(result.parent)
    before = layer.read_bytes()
    clean(result.parent)
    assert layer.read_bytes() == before  # it is of the result, which stays
    resume(result.parent)  # its root is not as it was written any more
    assert not layer.exists()
    assert layer.name not in read_list(result.parent)
    assert [gap.take for gap in read_gaps(str(result))] == [1, 1]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("what", ["text", "layer", "link"])
def test_a_file_of_others_of_that_name_stays(what: str, listed: bool, result: Path) -> None:
    layer = result.with_name(f"{result.stem}_gaps.usdc")
    if not listed:  # a result without its run folder
        (result.parent / ".anymole").unlink()
    other = result.with_name("other.usdc")
    Sdf.Layer.CreateNew(str(other)).Save()
    if what == "text":
        layer.write_text("mine")
    elif what == "layer":
        shutil.copy(other, layer)
    else:
        layer.symlink_to(other)
    kept = {path: path.read_bytes() for path in (layer, other, result)}
    for take in (1, 2):
        with pytest.raises((AuthorError, EngineError), match="move it away"):
            choose_gap(str(result), 1, take)
    assert layer.is_symlink() == (what == "link")
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_names_entered_by_another_process_stay_on_the_list(result: Path) -> None:
    folder = own_run_folder(result.parent)
    choose_gap(str(result), 1, 2)
    folder.claim("later.txt")
    assert {"later.txt", f"{result.stem}_gaps.usdc"} <= read_list(result.parent)


def test_pictures_follow_what_others_choose_and_take_back(result: Path) -> None:
    """The process that draws is not the one that writes: a layer that is gone again must not be in its way."""
    asked = {
        "stage": str(result),
        "time": 45.0,
        "view": "side",
        "height": 40,
        "width": 60,
        "background": (0, 0, 0),
    }

    def drawn(version: int) -> bytes:
        return answer({**asked, "version": version}, lambda: False)[1]

    def choose(take: int, *, accepted: bool = False) -> None:
        words = f"choose_gap({str(result)!r}, 2, {take}, accepted={accepted})"
        code = f"from engine.runs.takes import choose_gap; {words}"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    first = drawn(0)
    choose(0)
    rejected = drawn(1)
    assert rejected != first
    choose(1)
    assert not result.with_name(f"{result.stem}_gaps.usdc").exists()
    assert drawn(2) == first
    choose(0)
    assert drawn(3) == rejected


def test_a_choice_adds_no_finding(result: Path) -> None:
    before = check_file(result)
    choose_gap(str(result), 1, 0)
    choose_gap(str(result), 2, 2)
    assert check_file(result) == before
