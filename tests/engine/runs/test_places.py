"""Runs that are looked at from elsewhere, moved with their shot, or named through a link."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anymole_tui.run_report import run_report
from engine.config import RunConfig
from engine.evaluation.comparison import read_comparison
from engine.events import RunFinished, RunStarted
from engine.farm.batch import is_current
from engine.farm.shots import ShotTask
from engine.report.contents import read_contents
from engine.run import resume, run
from engine.runs.inputs import read_inputs
from engine.runs.process import python_environment
from engine.runs.registry import read_events, read_run
from engine.runs.workspace import read_settings
from tests.command_line import said


@pytest.fixture
def shot(data: Path, tmp_path: Path) -> Path:
    """A shot folder with a run that was made with relative paths."""
    folder = tmp_path / "project" / "shot"
    shutil.copytree(data / "fox", folder / "fox")
    script = (
        "from engine.run import run; from engine.config import RunConfig; run(RunConfig(stage='fox_survey.usda', "
        "keys=(30.0, 40.0), prior='slerp', out='../runs/one', preview=False, report=False))"
    )
    # a process of its own: USD knows layers that were opened by a relative path from the first current folder alone
    subprocess.run([sys.executable, "-c", script], cwd=folder / "fox", env=python_environment(), check=True)
    return folder


def opens(path: Path) -> str:
    """What USD says of a stage in a process of its own."""
    script = (
        "import sys; from pxr import Usd; s = Usd.Stage.Open(sys.argv[1]);"
        "print(len(s.GetLayerStack(False)), s.GetCompositionErrors(), bool(s.GetDefaultPrim().GetChildren()))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script, str(path)], capture_output=True, text=True)
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout.strip()


def look(folder: Path, shot: Path) -> None:
    """Everything that a run folder is for."""
    stage = shot / "fox" / "fox_survey.usda"
    assert Path(read_settings(folder).stage).samefile(stage)
    assert all(os.path.samefile(path, shot / "fox" / Path(path).name) for path in read_inputs(folder))  # noqa: PTH121
    comparison = read_comparison(folder)
    assert Path(comparison.result.result).parent.samefile(folder)
    assert opens(Path(comparison.result.result)) == opens(shot / "runs" / "one" / "fox_survey_inbetween.usda")
    assert "[]" in opens(Path(comparison.result.result))
    assert "exact: all 2 kept" in run_report(comparison.result)
    assert read_contents(folder).actors
    assert read_run(folder).result == str(folder.absolute() / "fox_survey_inbetween.usda")
    for command in ("attach", "logs", "take", "report"):
        progress = ("--progress", "none") if command == "attach" else ()
        assert said(command, folder, *progress).code == 0
    if folder.is_absolute():
        done = ShotTask("one", RunConfig(**{**read_settings(folder).to_dict(), "stage": str(stage)}))
        assert is_current(_At(done, folder), folder.parent)


class _At(ShotTask):
    """A shot whose run lies in a folder of any name."""

    def __init__(self, shot: ShotTask, folder: Path) -> None:
        super().__init__(shot.name, shot.config)
        object.__setattr__(self, "at", folder)

    def folder(self, out: Path) -> Path:
        return self.at  # type: ignore[attr-defined,no-any-return]


def moved(shot: Path) -> tuple[Path, Path]:
    shutil.move(shot.parent, shot.parent.with_name("elsewhere"))
    place = shot.parent.with_name("elsewhere") / "shot"
    return place / "runs" / "one", place


def linked_folder(shot: Path) -> tuple[Path, Path]:
    link = shot.parents[1] / "link"
    link.symlink_to(shot / "runs" / "one")
    return link, shot


def linked_project(shot: Path) -> tuple[Path, Path]:
    link = shot.parents[1] / "a" / "b" / "link"
    link.parent.mkdir(parents=True)
    link.symlink_to(shot.parent)
    return link / "shot" / "runs" / "one", link / "shot"


def from_afar(shot: Path) -> tuple[Path, Path]:
    os.chdir(shot.parent)
    return Path("shot/runs/one"), shot


@pytest.mark.parametrize("way", [moved, linked_project, from_afar, linked_folder])
def test_a_run_is_whole_from_everywhere(
    shot: Path, way: Callable[[Path], tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shot.parents[1])
    folder, place = way(shot)
    if (
        way is linked_folder
    ):  # what names its source by a relative path is not read by USD through such a link
        assert Path(read_settings(shot / "runs" / "one").stage).samefile(shot / "fox" / "fox_survey.usda")
        assert said("attach", folder, "--progress", "none").code == 0
        return
    look(folder, place)
    resumed = resume(folder)
    assert Path(resumed.result).parent.samefile(folder)
    look(folder, place)


def test_what_is_written_names_no_place_of_its_own(shot: Path) -> None:
    folder = shot / "runs" / "one"
    report = json.loads((folder / "report.json").read_text())
    assert (report["result"], report["run"]) == ("fox_survey_inbetween.usda", ".")
    for name in ("run.toml", "report.json", "inputs.json", "state.json", "events.jsonl"):
        assert str(shot.parent) not in (folder / name).read_text()
    assert 'stage = "../../fox/fox_survey.usda"' in (folder / "run.toml").read_text()


def test_the_events_of_a_moved_run_name_its_files_where_they_are_now(shot: Path) -> None:
    folder, place = moved(shot)
    told = {type(event): event for event, _ in read_events(folder)}
    begun, ended = told[RunStarted], told[RunFinished]
    assert isinstance(begun, RunStarted)
    assert isinstance(ended, RunFinished)
    assert (begun.run, begun.settings["out"]) == (str(folder), str(folder))
    assert begun.settings["stage"] == str(place / "fox" / "fox_survey.usda")
    assert Path(ended.result) == folder / "fox_survey_inbetween.usda"
    assert Path(ended.layer).is_file()


@pytest.mark.parametrize("deep", [False, True])
def test_a_result_made_through_a_link_opens_by_every_name(data: Path, tmp_path: Path, deep: bool) -> None:
    shutil.copytree(data / "fox", tmp_path / "shot" / "fox")
    real = tmp_path / ("disk/of/results" if deep else "disk")
    real.mkdir(parents=True)
    link = tmp_path / "shot" / "out"
    link.symlink_to(real)
    stage = str(tmp_path / "shot" / "fox" / "fox_survey.usda")
    made = run(
        RunConfig(stage=stage, keys=(30.0, 40.0), prior="slerp", out=str(link), preview=False, report=False)
    )
    names = {Path(made.result), Path(os.path.realpath(made.result))}
    assert len(names) == 2
    assert len({opens(name) for name in names}) == 1
    assert "[]" in opens(Path(made.result))
    for folder in (link, Path(os.path.realpath(link))):
        assert Path(read_settings(folder).stage).samefile(stage)
        assert read_comparison(folder).active == 1
