"""A source that is saved at any moment of a run: no result, or that of the content whose hash is recorded."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from pxr import Sdf, Usd

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ExitCode, SourceChanged, exit_code
from engine.events import Event, Note, StageStarted
from engine.planning import shot_plan, source
from engine.planning.source import Source
from tests.conftest import DATA
from usd_io.errors import StageReadError

Save = Callable[[Path, bytes], None]


def in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def by_rename(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def with_the_old_time(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def there_and_back(path: Path, content: bytes) -> None:
    before = path.read_bytes()
    by_rename(path, content)
    Usd.Stage.Open(str(path))
    by_rename(path, before)


SAVES = (in_place, by_rename, with_the_old_time, there_and_back)


@pytest.fixture
def shot(data: Path, tmp_path: Path) -> Path:
    return copied_shot(data, tmp_path)


def copied_shot(data: Path, folder: Path) -> Path:
    shutil.copytree(data / "fox", folder / "fox")
    (folder / "edge").mkdir()
    return Path(shutil.copy(data / "edge" / "fox_survey_keys.usda", folder / "edge"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], bytes]:
    """The layer that a new run makes of a content of the shot by ``spline``; each is made once."""

    @cache
    def layer(content: bytes) -> bytes:
        folder = tmp_path_factory.mktemp("fresh")
        shot = copied_shot(DATA, folder)
        shot.write_bytes(content)
        config = RunConfig(
            stage=str(shot), out=str(folder / "run"), prior="spline", preview=False, report=False
        )
        return layer_bytes(engine_run.run(config).run)

    return layer


@pytest.fixture(scope="module")
def earlier_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the shot by ``slerp``; its folder lies beside that of the shot."""
    folder = tmp_path_factory.mktemp("earlier")
    config = RunConfig(stage=str(copied_shot(DATA, folder)), out=str(folder / "run"), prior="slerp")
    return Path(engine_run.run(replace(config, preview=False, report=False)).run)


@pytest.fixture
def other(shot: Path) -> bytes:
    """The same shot with another pose at its key 36, as many bytes."""
    layer = Sdf.Layer.OpenAsAnonymous(str(shot))
    rotations = "/Fox/Anim/Survey.rotations"
    times = layer.ListTimeSamplesForPath(rotations)
    layer.SetTimeSample(rotations, times[3], layer.QueryTimeSample(rotations, times[0]))
    return layer.ExportToString().encode()


def saving(moment: str, save: Save, shot: Path, content: bytes) -> Callable[[Event], None]:
    """Saves the shot once, when a stage begins."""
    left = [content]

    def listen(event: Event) -> None:
        if left and event == StageStarted(moment):
            save(shot, left.pop())

    return listen


def layer_bytes(folder: str) -> bytes:
    return next(Path(folder).glob("*_anim*.usdc")).read_bytes()


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("moment", ["fill", "score", "author"])
def test_saved_source_ends_the_run_and_leaves_the_earlier_result(
    moment: str,
    save: Save,
    shot: Path,
    other: bytes,
    fresh: Callable[[bytes], bytes],
    earlier_run: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(earlier_run, tmp_path / "run")
    again = RunConfig(
        stage=str(shot), out=str(tmp_path / "run"), prior="spline", preview=False, report=False, force=True
    )
    earlier = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.usd*")}
    first = shot.read_bytes()
    with pytest.raises(SourceChanged, match=shot.name) as caught:
        engine_run.run(again, saving(moment, save, shot, other))
    assert exit_code(caught.value) is ExitCode.RETRYABLE
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.usd*")} == earlier
    # neither resuming nor --force takes up what was made of the other content
    for content, finish in ((other, "resume"), (first, "force")):
        shot.write_bytes(content)
        made = engine_run.resume(tmp_path / "run") if finish == "resume" else engine_run.run(again)
        assert layer_bytes(made.run) == fresh(content)


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("first", [True, False])
def test_source_saved_while_it_is_planned_is_noticed(
    first: bool, save: Save, shot: Path, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the motion is read from the hashed file, or after."""
    inner = shot_plan.plan_shot if not first else None
    if inner is not None:

        def planning(*arguments: object) -> object:
            save(shot, other)
            return inner(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(shot_plan, "plan_shot", planning)
    else:
        made = Source.__init__

        def hashing(self: Source, config: RunConfig) -> None:
            made(self, config)
            save(shot, other)

        monkeypatch.setattr(Source, "__init__", hashing)
    with pytest.raises(SourceChanged, match=shot.name):
        engine_run.plan(RunConfig(stage=str(shot)))


def test_source_saved_between_opening_and_hashing_is_hashed_and_read_anew(
    shot: Path, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, left = source.content_hash, [other]

    def hashing(path: Path) -> str:
        if left and path.name == shot.name:
            by_rename(shot, left.pop())
        return inner(path)

    monkeypatch.setattr(source, "content_hash", hashing)
    made = Source(RunConfig(stage=str(shot)))
    assert made.hashes()[0] == inner(shot)
    made.check_unchanged()


def test_source_saved_when_the_result_is_written_is_said_and_the_result_stands(
    shot: Path, other: bytes, tmp_path: Path
) -> None:
    config = RunConfig(
        stage=str(shot), out=str(tmp_path / "run"), prior="spline", preview=False, report=False
    )
    reference = engine_run.run(replace(config, out=str(tmp_path / "reference")))
    told: list[Event] = []
    save = saving("check", by_rename, shot, other)

    def listen(event: Event) -> None:
        told.append(event)
        save(event)

    made = engine_run.run(config, listen)
    assert layer_bytes(made.run) == layer_bytes(reference.run)
    assert any(isinstance(e, Note) and "holds what was there before" in e.text for e in told)


def test_other_links_and_owners_of_a_source_are_no_change(shot: Path) -> None:
    made = Source(RunConfig(stage=str(shot)))
    shot.chmod(0o600)
    os.link(shot, shot.with_name("backup.usda"))
    made.check_unchanged()


def test_layer_that_someone_in_the_process_holds_is_read_from_its_file(shot: Path, other: bytes) -> None:
    held = Sdf.Layer.FindOrOpen(str(shot))
    by_rename(shot, other)
    planned = engine_run.plan(RunConfig(stage=str(shot)))
    assert held.ExportToString().encode() == other
    assert planned.source is not None
    held.comment = "edited"
    with pytest.raises(StageReadError, match="not saved"):
        engine_run.plan(RunConfig(stage=str(shot)))
    held.Reload(force=True)


def test_files_of_value_clips_and_pictures_are_watched(tmp_path: Path) -> None:
    clip, picture = tmp_path / "clip.usda", tmp_path / "fur.png"
    clip.write_text('#usda 1.0\n\ndef "A" {\n    float x.timeSamples = { 1: 2 }\n}\n')
    picture.write_bytes(b"png")
    (tmp_path / "shot.usda").write_text(
        """#usda 1.0
def "A" (
    clips = { dictionary default = {
        asset[] assetPaths = [@./clip.usda@]
        string primPath = "/A"
        double2[] active = [(0, 0)]
        double2[] times = [(0, 0)]
    } }
) {
    def Shader "T" {
        asset inputs:file = @./fur.png@
    }
}
"""
    )
    for file in (clip, picture):
        made = Source(RunConfig(stage=str(tmp_path / "shot.usda")))
        assert len(made.picture_hashes()) == 1
        by_rename(file, file.read_bytes() + b"\n")
        with pytest.raises(SourceChanged, match=file.name):
            made.check_unchanged()
