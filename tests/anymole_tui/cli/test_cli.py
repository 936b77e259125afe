"""The command line: exit code, stdout and stderr of every command, and what a user can get wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdSkel, Vt

from anymole_tui.cli.app import main
from engine.files.images import write_png
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@pytest.fixture
def anymole(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs draw no previews and write no reports here, since those take most of their time, unless asked to."""
    monkeypatch.setenv("ANYMOLE_RUN_PREVIEW", "0")
    monkeypatch.setenv("ANYMOLE_RUN_REPORT", "0")

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), out, err)

    return call


Anymole = Callable[..., Outcome]


@pytest.fixture
def fox(data: Path) -> Path:
    return data / "fox" / "fox.usdc"


@pytest.fixture
def fox_keys(data: Path) -> Path:
    return data / "edge" / "fox_survey_keys.usda"


def test_help_names_every_command(anymole: Anymole) -> None:
    outcome = anymole("--help")
    assert outcome.code == 0
    for command in ("inspect", "run", "check", "evaluate", "benchmark"):
        assert command in outcome.out


def test_version(anymole: Anymole) -> None:
    outcome = anymole("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"anymole {version('anymole')}\n"


def test_inspect_is_readable_and_has_json(anymole: Anymole, fox_keys: Path) -> None:
    text = anymole("inspect", fox_keys)
    assert (text.code, text.err) == (0, "")
    assert "  keys         0 12 24 36 48 60 72 82" in text.out
    report = anymole("inspect", fox_keys, "--json").json
    assert report["skeletons"][0]["sparse"] == [0, 12, 24, 36, 48, 60, 72, 82]
    assert len(report["skeletons"][0]["unobservable"]) == 2


def test_run_prints_one_json_object_and_talks_on_stderr(
    anymole: Anymole, fox_keys: Path, tmp_path: Path
) -> None:
    outcome = anymole("run", fox_keys, "--out", tmp_path / "run", "--json", "--preview")
    assert outcome.code == 0
    assert all(Path(preview).exists() for preview in outcome.json["previews"])
    assert outcome.json["previews"]
    assert outcome.json.keys() >= {"result", "layer", "run", "plan", "scores"}
    assert Path(outcome.json["result"]).exists()
    assert Path(outcome.json["layer"]).exists()
    assert "gaps     7, 75 frames to fill" in outcome.err


def test_run_shows_the_result_and_its_scores(
    anymole: Anymole, fox_keys: Path, fox: Path, tmp_path: Path
) -> None:
    outcome = anymole("run", fox_keys, "--out", tmp_path / "run", "--truth", fox, "--report")
    assert outcome.code == 0
    lines = dict(line.split(maxsplit=1) for line in outcome.out.splitlines() if line)
    assert lines["filled"] == "75 frames in 7 gaps, 0 to 82"
    assert lines["keys"] == "exact: all 8 kept to the last bit"
    assert "stage units" in lines["error"]
    assert "of the height" in lines["error"]
    assert "than slerp" in lines["gain"]
    assert Path(lines["result"]).is_relative_to(tmp_path)
    assert lines["report"].startswith(str(tmp_path / "run" / "report.html"))
    assert "L2P" not in outcome.out.replace(lines["more"], "")


def test_metrics_are_said_by_name_on_request_and_gaps_alike_are_folded(
    anymole: Anymole, fox_keys: Path, fox: Path, tmp_path: Path
) -> None:
    run = ("run", fox_keys, "--out", tmp_path / "run", "--truth", fox, "--no-preview", "--no-report")
    outcome = anymole(*run, "--metrics")
    assert "self-test: no context" in outcome.out
    assert "(L2P, L2Q, NPSS: 0 is best; jerk: 1 is the truth's)" in outcome.out
    assert "7 gaps, 0..82: " in outcome.out
    again = anymole("attach", tmp_path / "run", "--metrics", "--progress", "none")
    assert again.out == outcome.out


def test_dry_run_shows_the_plan_and_writes_nothing(anymole: Anymole, fox: Path, tmp_path: Path) -> None:
    stage = shutil.copy(fox, tmp_path)
    outcome = anymole("run", stage, "--context", "10:58", "--keys", "58,82", "--dry-run")
    assert outcome.code == 0
    assert "58..82" in outcome.out
    assert [p.name for p in tmp_path.iterdir()] == ["fox.usdc"]
    plan = anymole("run", stage, "--context", "10:58", "--keys", "58,82", "--dry-run", "--json").json["plan"]
    assert plan[0]["gaps"][0]["times"] == list(range(59, 82))


def test_a_video_model_that_is_missing_is_said_before_there_is_a_folder(
    anymole: Anymole, fox_keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    outcome = anymole("run", fox_keys, "--engine", "video", "--model", "wan-vace", "--dry-run")
    assert outcome.code == 3
    assert "anymole models pull wan-vace" in outcome.err
    for options in ((), ("--detach",), ("--gguf", tmp_path / "none.gguf")):
        outcome = anymole(
            "run", fox_keys, "--engine", "video", "--model", "wan-vace", *options, "--out", tmp_path / "run"
        )
        assert outcome.code == 3
        assert not (tmp_path / "run").exists()
    assert anymole("run", fox_keys, "--engine", "video", "--model", "tiny", "--dry-run").code == 0


def test_a_plan_refuses_videos_and_cameras_that_cannot_be_fitted(
    anymole: Anymole, fox_keys: Path, tmp_path: Path
) -> None:
    outcome = anymole("mimic", fox_keys, "--video", tmp_path / "none.mp4", "--dry-run")
    assert outcome.code == 2
    assert "none.mp4 is no folder and no file; name a video (--video)." in outcome.err
    videos = [tmp_path / name for name in ("wide", "high")]
    for folder, size in zip(videos, ((64, 96), (96, 64)), strict=True):
        folder.mkdir()
        for number in range(2):
            write_png(folder / f"{number}.png", np.zeros((*size, 3), np.uint8))

    def refused(*options: object) -> str:
        planned = anymole("mimic", fox_keys, "--video", videos[0], *options, "--dry-run")
        assert planned.code in (2, 4), planned.err
        return str(planned.err)

    long, second = ("--video-fps", "0.01"), ("--second-video", videos[1], "--second-camera")
    assert "wide shows" in (said := refused())
    assert "(--video-fps, --video-offset)" in said
    assert "There is no prim /Cam in the stage" in (said := refused(*long, "--camera", "/Cam"))
    assert said.endswith("(--camera).\n")
    assert refused(*long, *second, "/Cam").endswith("(--second-camera).\n")
    assert refused(*long, *second, "none.json").endswith("(--second-camera).\n")
    assert "picture is 96 x 64 pixels and the second's 64 x 96" in refused(*long, *second, "left")
    none = ("--second-video", tmp_path / "none.mp4", "--second-camera", "left")
    assert "none.mp4 is no folder and no file; name a video (--second-video)." in refused(*long, *none)
    assert anymole("mimic", fox_keys, "--video", videos[0], *long, "--dry-run").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["high", "wide"]


@pytest.mark.parametrize("to", ["local", "openjd", "slurm", "ray"])
def test_shots_are_submitted_with_nothing_but_their_target(
    anymole: Anymole, fox_keys: Path, tmp_path: Path, to: str
) -> None:
    outcome = anymole("submit", fox_keys, "--to", to, "--out", tmp_path / "filled", "--dry-run", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["shots"] == [fox_keys.stem]


@pytest.mark.parametrize(
    ("to", "option", "words"),
    [
        ("openjd", "--partition=gpu", "partition is for slurm alone, and these shots go to openjd"),
        ("local", "--address=auto", "address is for ray alone"),
        ("slurm", "--queue=team-a", "queue is for kubernetes alone"),
    ],
)
def test_an_option_of_another_farm_is_refused_and_nothing_is_written(
    anymole: Anymole, fox_keys: Path, tmp_path: Path, to: str, option: str, words: str
) -> None:
    outcome = anymole("submit", fox_keys, "--to", to, option, "--out", tmp_path / "filled")
    assert outcome.code == 2
    assert words in outcome.err
    assert option.split("=")[0] in outcome.err
    assert not (tmp_path / "filled").exists()


def test_keys_may_be_a_row(anymole: Anymole, fox: Path) -> None:
    plan = anymole("run", fox, "--keys", "0:80:20", "--dry-run", "--json").json["plan"]
    assert plan[0]["keys"] == [0, 20, 40, 60, 80]


def test_check_accepts_a_good_stage_and_refuses_a_bad_one(
    anymole: Anymole, fox: Path, broken: "Broken"
) -> None:
    assert anymole("check", fox).code == 0
    outcome = anymole("check", broken("scales", None), "--json")
    assert outcome.code == 4
    assert outcome.json["valid"] is False
    assert any(finding["rule"] == "SA001" for finding in outcome.json["findings"])


def test_evaluate_prints_a_table_with_slerp_first(anymole: Anymole, fox: Path) -> None:
    arguments = ("evaluate", fox, "--context", "10:58", "--keys", "58,82", "--prior", "spline,hold")
    outcome = anymole(*arguments)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["slerp", "spline", "hold"]
    rows = anymole(*arguments, "--json").json["evaluations"][0]["rows"]
    assert rows[0]["scores"]["l2p"] == pytest.approx(0.0341, abs=6e-5)
    assert max(row["scores"]["key_error"] for row in rows) < 1e-6


def test_benchmark_prints_and_saves_the_table(anymole: Anymole, fox: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        f'[[case]]\nid = "fox"\nstage = "{fox}"\ncontext = [10, 58]\nkeys = [58, 82]\nslerp_l2p = 0.0341\n'
    )
    outcome = anymole("benchmark", suite, "--prior", "spline", "--out", tmp_path / "table.json")
    assert outcome.code == 0
    assert "Over slerp" in outcome.out
    saved = json.loads((tmp_path / "table.json").read_text())
    assert saved["summaries"][0]["mean_ratio"] == 1


# What a user can get wrong ------------------------------------------------------------------------------------

Broken = Callable[[str, object], Path]


@pytest.fixture
def broken(two_bone_arm: Path) -> Broken:
    """The arm with one attribute of its animation replaced (None: removed) at every sample."""

    def make(name: str, value: object) -> Path:
        stage = Usd.Stage.Open(str(two_bone_arm))
        animation = next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation))
        attribute = animation.GetAttribute(name)
        times = attribute.GetTimeSamples() or [1]
        attribute.Clear()
        if value is None:
            animation.RemoveProperty(name)
        else:
            for time in times:
                attribute.Set(value, time)
        stage.Save()
        return two_bone_arm

    return make


def assert_one_sentence(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0]


def test_missing_file(anymole: Anymole, tmp_path: Path) -> None:
    assert_one_sentence(anymole("run", tmp_path / "nope.usda"), 2, "nope.usda")


def test_folder_instead_of_a_file(anymole: Anymole, tmp_path: Path) -> None:
    assert anymole("run", tmp_path).code in (2, 4)


def test_file_that_is_not_usd(anymole: Anymole, tmp_path: Path) -> None:
    path = tmp_path / "poem.usda"
    path.write_text("Roses are red")
    assert_one_sentence(anymole("run", path), 4, "poem.usda")
    assert [p.name for p in tmp_path.iterdir()] == ["poem.usda"]


def test_stage_without_skeleton(anymole: Anymole, tmp_path: Path) -> None:
    Usd.Stage.CreateNew(str(tmp_path / "empty.usda")).Save()
    assert_one_sentence(anymole("run", tmp_path / "empty.usda"), 4, "empty.usda", "skeleton")


def test_stage_with_an_animation_only(anymole: Anymole, data: Path) -> None:
    assert_one_sentence(anymole("run", data / "edge" / "fox_walk_anim_only.usda"), 4, "skeleton")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rotations", Vt.QuatfArray([Gf.Quatf(float("nan"), 0, 0, 0)] * 2), ("rotation",)),
        ("rotations", Vt.QuatfArray([Gf.Quatf(5, 0, 0, 0)] * 2), ("rotation",)),
        ("translations", Vt.Vec3fArray([Gf.Vec3f(float("inf"), 0, 0)] * 2), ("translation",)),
        ("translations", Vt.Vec3fArray([Gf.Vec3f(0, 0, 0)] * 7), ("translation",)),
        ("scales", None, ("scales",)),
    ],
    ids=["nan", "not unit", "infinite", "wrong length", "no scales"],
)
def test_unusable_samples(
    anymole: Anymole, broken: Broken, name: str, value: object, words: tuple[str, ...]
) -> None:
    stage = broken(name, value)
    assert_one_sentence(anymole("run", stage), 4, "/Arm", *words)
    assert [p.name for p in stage.parent.iterdir()] == [stage.name]


def test_clip_with_one_sample(anymole: Anymole, two_bone_arm: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    animation = next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation))
    for name in ("rotations", "translations", "scales"):
        attribute = animation.GetAttribute(name)
        for time in attribute.GetTimeSamples()[1:]:
            attribute.ClearAtTime(time)
    stage.Save()
    assert_one_sentence(anymole("run", two_bone_arm), 4, "/Arm")


def test_missing_reference(anymole: Anymole, fox_keys: Path, tmp_path: Path) -> None:
    path = shutil.copy(fox_keys, tmp_path)
    assert_one_sentence(anymole("run", path), 4, "fox.usdc")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--keys", "0,500"), "500"),
        (("--keys", "0,abc"), "'abc'"),
        (("--keys", "0:10:0"), "0:10:0 is no row"),
        (("--keys", "1:1000000:0.001"), "is a row of more than 100000 times"),
        (("--engine", "motion", "--control", "depth"), "engine motion makes no video to control"),
        (("--keys", "0,nan"), "finite"),
        (("--context", "10"), "START:END"),
        (("--context", "0:24", "--keys", "12,48"), "key 12"),
        (("--skeleton", "/Fox/Nose"), "/Fox/Nose"),
        (("--keys", "0,48", "--lock", "nose"), "nose"),
        (("--prior", "best"), "best"),
        (("--engine", "warp"), "warp"),
        (("--author", "paint"), "paint"),
        (("--skeleton", "/Fox", "--skeleton", ""), "skeletons has an empty entry; give PRIM"),
        (("--model", "wan-vace", "--gguf", " "), "gguf has an empty entry"),
        (("--model", "wan-vace", "--few-step-lora", " "), "few_step_lora has an empty entry"),
        (("--samples", "sparse:"), "samples are sparse:"),
        (("--quality", "preview", "--resolution", "0x0"), "'0x0' is no size"),
        ((), "nothing to fill"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options(anymole: Anymole, fox: Path, arguments: tuple[str, ...], words: str) -> None:
    assert_one_sentence(anymole("run", fox, *arguments, "--dry-run"), 2, words)


def test_errors_are_json_too(anymole: Anymole, tmp_path: Path) -> None:
    outcome = anymole("inspect", tmp_path / "nope.usda", "--json")
    assert outcome.code == outcome.json["exit_code"] == 2
    assert "nope.usda" in outcome.json["error"]


def test_unknown_option_is_a_usage_error(anymole: Anymole, fox: Path) -> None:
    outcome = anymole("run", fox, "--fast", "--json")
    assert outcome.code == outcome.json["exit_code"] == 2
    assert "--fast" in outcome.err
    assert outcome.json["error"].startswith("the command line was not understood: No such option: --fast")
    assert anymole("take", fox, "two", "--json").json["error"] == "number is 'two'; give a whole number."
    assert "'STAGE'" in anymole("run", "--json").json["error"]


def test_debug_shows_the_traceback(anymole: Anymole, tmp_path: Path) -> None:
    assert "Traceback" in anymole("inspect", tmp_path / "nope.usda", "--debug").err


def test_existing_result(anymole: Anymole, fox_keys: Path, tmp_path: Path) -> None:
    assert anymole("run", fox_keys, "--out", tmp_path / "run").code == 0
    assert "--force" in anymole("run", fox_keys, "--out", tmp_path / "run").err
    assert anymole("run", fox_keys, "--out", tmp_path / "run", "--force").code == 0


def test_out_is_a_file(anymole: Anymole, fox_keys: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert anymole("run", fox_keys, "--out", tmp_path / "taken").code == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(anymole: Anymole, fox_keys: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    outcome = anymole("run", fox_keys, "--out", tmp_path / "closed" / "run")
    assert outcome.code == 1
    assert "--out" in outcome.err


@pytest.mark.parametrize(
    "command",
    [("run",), ("render",), ("submit",), ("submit", "--dry-run"), ("submit", "--to", "openjd")],
    ids=" ".join,
)
def test_folder_that_cannot_be_made(anymole: Anymole, fox_keys: Path, command: tuple[str, ...]) -> None:
    outcome = anymole(*command, fox_keys, "--out", "/proc/anymole")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "--out" in outcome.err


def test_take_of_a_stage_that_is_no_result_is_a_usage_error(anymole: Anymole, fox_keys: Path) -> None:
    assert_one_sentence(anymole("take", fox_keys), 2, "is no result of anymole: name the root stage")
    outcome = anymole("take", fox_keys, "1", "--json")
    assert outcome.code == outcome.json["exit_code"] == 2


def test_read_only_source_is_no_obstacle(anymole: Anymole, fox_keys: Path, fox: Path, tmp_path: Path) -> None:
    shutil.copytree(fox.parent, tmp_path / "fox")
    (tmp_path / "edge").mkdir()
    stage = Path(shutil.copy(fox_keys, tmp_path / "edge"))
    stage.chmod(0o400)
    (tmp_path / "fox" / "fox.usdc").chmod(0o400)
    assert anymole("run", stage, "--out", tmp_path / "run").code == 0


def test_usdz_gets_its_result_beside_it(anymole: Anymole, data: Path, tmp_path: Path) -> None:
    package = shutil.copy(data / "edge" / "fox_survey.usdz", tmp_path)
    outcome = anymole("run", package, "--context", "10:58", "--keys", "58,82", "--json")
    assert outcome.code == 0, outcome.err
    stage = Usd.Stage.Open(outcome.json["result"])
    assert stage.GetPrimAtPath("/Fox/Skeleton").IsValid()


def test_names_from_files_are_shown_inert(anymole: Anymole, two_bone_arm: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    skeleton = next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Skeleton))
    stage.GetRootLayer().comment = "\x1b[31mred"
    names = ["Shoulder\x1b[2J[bold]", "Shoulder\x1b[2J[bold]/Elbow\n\u202e"]
    skeleton.GetAttribute("joints").Set(Vt.TokenArray(names))
    stage.Save()
    for arguments in (("inspect", two_bone_arm, "--joints"), ("check", two_bone_arm), ("run", two_bone_arm)):
        outcome = anymole(*arguments)
        shown = outcome.out + outcome.err
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "Traceback" not in shown


@pytest.mark.parametrize("size", [0, 40, 400, 4000])
def test_truncated_files(anymole: Anymole, fox: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.usdc"
    path.write_bytes(fox.read_bytes()[:size])
    assert_one_sentence(anymole("run", path), 4, "cut.usdc")


def test_flipped_bits_never_end_in_a_traceback(fox: Path, tmp_path: Path) -> None:
    """In a process of its own each: a crash of the reader would count too."""
    random = np.random.default_rng(0)
    content = bytearray(fox.read_bytes())
    for attempt in range(3):
        for place in random.integers(100, len(content), 200):
            content[place] ^= 1 << int(random.integers(8))
        path = tmp_path / f"flipped_{attempt}.usdc"
        path.write_bytes(content)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "anymole_tui",
                "run",
                str(path),
                "--keys",
                "0,20",
                "--out",
                str(tmp_path / "run"),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 2, 4), done.stderr


def test_interrupt_ends_with_130(anymole: Anymole, fox_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.run.plan", interrupted)
    assert anymole("run", fox_keys).code == 130


def test_our_own_fault_is_said_in_one_sentence(
    anymole: Anymole, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.plan", lambda config: 1 // 0)
    assert_one_sentence(anymole("run", fox), 1, "ZeroDivisionError", "--debug")


def test_paths_with_odd_names_work(anymole: Anymole, fox: Path, fox_keys: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a b#c@d [x]'é"
    folder.mkdir()
    shutil.copy(fox, folder / "fox.usdc")
    text = fox_keys.read_text().replace("@../fox/fox.usdc@", "@./fox.usdc@")
    (folder / "key s.usda").write_text(text)
    outcome = anymole("run", folder / "key s.usda", "--json")
    assert outcome.code == 0, outcome.err
    layer = Sdf.Layer.FindOrOpen(outcome.json["result"])
    assert Usd.Stage.Open(layer).GetPrimAtPath("/Fox/Skeleton").IsValid()
