"""Nothing that we did not write is ever replaced, removed or followed through a link."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, EngineError, ExitCode, exit_code
from engine.events import StageStarted
from engine.farm.shots import read_shots, write_shots
from engine.files.owned_folder import MARK, read_list
from engine.files.regular import open_regular, read_regular
from engine.render_command.config import RenderConfig
from engine.render_command.run import render_stage as render
from engine.runs.process import start_detached
from engine.runs.registry import clean
from engine.runs.workspace import CONTROL, Workspace

DATA = Path(__file__).resolve().parents[2] / "data"
THEIRS = (
    *CONTROL,
    "preview.mp4",
    "preview.png",
    ".othertool.tmp",
    ".hero_inbetween.usda",
    "fox_survey_keys_inbetween_anim.usdc",
    "notes.txt",
    "checkpoints/model.pt",
    "artefacts/sim.bgeo",
)


def shot_in(folder: Path) -> RunConfig:
    shutil.copytree(DATA / "fox", folder / "fox")
    (folder / "edge").mkdir()
    shot = Path(shutil.copy(DATA / "edge" / "fox_survey_keys.usda", folder / "edge"))
    return RunConfig(stage=str(shot), out=str(folder / "run"), prior="slerp", preview=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return shot_in(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot and its finished run."""
    folder = tmp_path_factory.mktemp("made")
    engine_run.run(shot_in(folder))
    return folder


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    """The finished run, with its shot, in a place of its own."""
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made" / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", THEIRS)
def test_folder_with_files_of_others_is_refused_and_stays_as_it_is(name: str, config: RunConfig) -> None:
    out = Path(config.out)
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    for attempt in (config, replace(config, force=True)):
        for act in (engine_run.plan, engine_run.run, engine_run.prepare):
            with pytest.raises(ConfigError, match="did not write"):
                act(attempt)
    assert contents(out) == {name: b"mine"}
    with pytest.raises(ConfigError, match="nothing in it is removed"):
        clean(out)
    assert contents(out) == {name: b"mine"}


@pytest.mark.parametrize("later", ["preview.png", "generated-1.mp4", "notes.txt", "artefacts/sim.bgeo"])
def test_files_that_come_later_stay(later: str, finished: Path) -> None:
    mine = finished / later
    mine.write_text("mine")
    workspace = Workspace(finished)
    with pytest.raises(EngineError, match="move it away"):
        workspace.claim(later)
    workspace.close()
    engine_run.resume(finished)
    clean(finished)
    assert mine.read_text() == "mine"


def test_result_of_somebody_else_is_not_replaced(config: RunConfig) -> None:
    out = Path(config.out)

    def put(event: object) -> None:
        if event == StageStarted("score"):
            (out / "fox_survey_keys_inbetween.usda").write_text("mine")

    with pytest.raises(EngineError, match="move it away"):
        engine_run.run(config, put)
    assert (out / "fox_survey_keys_inbetween.usda").read_text() == "mine"


def test_second_stage_is_refused_and_a_moved_one_is_not(config: RunConfig, tmp_path: Path) -> None:
    engine_run.run(config)
    before = contents(Path(config.out))
    second = Path(config.stage).with_name("second.usda")
    shutil.copy(config.stage, second)
    for other in (replace(config, stage=str(second)), replace(config, stage=str(second), force=True)):
        with pytest.raises(ConfigError, match=r"holds the run of .*fox_survey_keys\.usda"):
            engine_run.plan(other)
        with pytest.raises(ConfigError, match="holds the run of"):
            engine_run.resume(Path(config.out), config=other)
    assert contents(Path(config.out)) == before
    shutil.copytree(tmp_path / "fox", tmp_path / "moved" / "fox")
    shutil.move(tmp_path / "edge", tmp_path / "moved" / "edge")
    moved = replace(config, stage=str(tmp_path / "moved" / "edge" / "fox_survey_keys.usda"), force=True)
    assert engine_run.run(moved).result


def test_checkpoints_may_be_a_link_and_what_lies_behind_it_stays(config: RunConfig, tmp_path: Path) -> None:
    big, out = tmp_path / "scratch", Path(config.out)
    for name in ("author-models", "fill-old", "preview-best"):
        (big / name).mkdir(parents=True)
        (big / name / "precious").write_text("x")
    out.mkdir()
    (out / "checkpoints").symlink_to(big)
    before = contents(big)
    engine_run.run(config)
    assert contents(big) == before
    workspace = Workspace(out)
    own = workspace.checkpoint_dir("adapt", "0" * 64)
    (own / "state").write_text("1")
    assert own.resolve().parent == big
    workspace.close()
    clean(out)
    workspace = Workspace(out)
    workspace.drop_checkpoints("adapt")
    workspace.close()
    assert contents(big) == before


@pytest.mark.parametrize("name", CONTROL)
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_links_folders_and_pipes_in_place_of_our_files_are_named(
    name: str, kind: str, finished: Path, tmp_path: Path
) -> None:
    victim, place = tmp_path / "victim", finished / name
    victim.write_text("precious")
    place.unlink(missing_ok=True)
    {"link": lambda: place.symlink_to(victim), "folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}[
        kind
    ]()
    with pytest.raises(EngineError, match=f"{name}|no run folder"):
        engine_run.resume(finished)
    if name == "log.txt":
        with pytest.raises(EngineError, match="cannot be started"):
            start_detached(finished)
    assert victim.read_text() == "precious"
    assert place.is_symlink() == (kind == "link")


def test_run_folder_of_an_older_version_goes_on(finished: Path) -> None:
    (finished / MARK).unlink()
    (finished / "notes.txt").write_text("mine")
    events: list[object] = []
    engine_run.resume(finished, events.append)
    assert "artefacts/fill-0.npz" in read_list(finished)
    assert clean(finished) > 0
    assert (finished / "notes.txt").read_text() == "mine"
    assert not (finished / "artefacts").exists()


def test_given_shot_list_is_never_written_to(config: RunConfig, tmp_path: Path) -> None:
    text = f"# notes\n[[shot]]\nname = 'a'\nstage = {config.stage!r}\n"
    given, out = tmp_path / "list" / "shots.toml", tmp_path / "out"
    given.parent.mkdir()
    given.write_text(text)
    with pytest.raises(ConfigError, match="did not write"):
        write_shots(read_shots(given), given.parent, given)
    assert given.read_text() == text
    written = write_shots(read_shots(given), out, given)
    written.write_text(text)  # its owner has gone on with our copy, and hands that in
    write_shots(read_shots(written), out, written)
    assert written.read_text() == text


def test_pictures_of_others_are_not_replaced(config: RunConfig, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    (out / "front").mkdir(parents=True)
    (out / "front" / "00000.png").write_text("mine")
    settings = RenderConfig(stage=config.stage, out=str(out), times=(0.0,), size=(16, 16))
    with pytest.raises(ConfigError, match="did not write"):
        render(settings)
    assert contents(out) == {"front/00000.png": b"mine"}
    again = replace(settings, out=str(tmp_path / "own"))
    for _ in range(2):
        render(again)


@pytest.mark.parametrize("out", ["a\nb", "o\udcff"])
def test_folder_that_usd_cannot_name_is_refused_by_the_plan(
    out: str, config: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="name another") as caught:
        engine_run.plan(replace(config, out=str(tmp_path / out)))
    assert exit_code(caught.value) is ExitCode.USAGE


def test_reading_waits_for_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("abc")
    for name in ("pipe", "."):
        with pytest.raises(OSError, match=r"regular|symbolic"):
            read_regular(tmp_path / name, 10)
    with pytest.raises(ValueError, match="too large"):
        read_regular(tmp_path / "file", 2)
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10) == b"abc"
    with pytest.raises(OSError, match=r"regular|symbolic"):
        open_regular(tmp_path / "link", os.O_WRONLY)
