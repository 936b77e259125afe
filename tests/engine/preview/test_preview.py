from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engine.config import RunConfig
from engine.events import Event, Note, PreviewWritten
from engine.preview import panels
from engine.preview.panels import resample
from engine.preview.times import preview_times
from engine.progress import Progress
from engine.run import run
from engine.stages.preview import try_preview
from usd_io.model import Motion
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage


def test_a_run_leaves_a_video_a_sheet_and_a_plot(data: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    config = RunConfig(
        stage=str(data / "edge" / "fox_survey_keys.usda"),
        keys=(0.0, 12.0, 24.0),
        truth=str(data / "fox" / "fox.usdc"),
        prior="spline",
        out=str(tmp_path / "run"),
    )
    result = run(config, events.append)
    assert not [e.text for e in events if isinstance(e, Note) and "preview" in e.text]
    assert [Path(p).name for p in result.previews] == ["preview.mp4", "preview.png", "preview_plot.png"]
    assert [e.path for e in events if isinstance(e, PreviewWritten)] == list(result.previews)
    with av.open(result.previews[0]) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 24
        assert stream.width == 4 * stream.height  # keys, slerp, result, truth
    with Image.open(result.previews[1]) as sheet:
        assert np.asarray(sheet).std() > 20


def test_a_preview_that_fails_is_a_warning(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> tuple[Path, ...]:
        raise ZeroDivisionError("nothing to see")

    monkeypatch.setattr(panels, "write_preview", broken)
    events: list[Event] = []
    config = RunConfig(
        stage=str(data / "edge" / "fox_survey_keys.usda"), prior="slerp", out=str(tmp_path / "run")
    )
    result = run(config, events.append)
    assert result.previews == ()
    assert Path(result.result).is_file()
    notes = [e.text for e in events if isinstance(e, Note) and e.level == "warning"]
    assert "no preview was made: ZeroDivisionError: nothing to see" in notes


def test_no_preview_draws_nothing(data: Path, tmp_path: Path) -> None:
    config = RunConfig(
        stage=str(data / "edge" / "fox_survey_keys.usda"),
        prior="slerp",
        out=str(tmp_path / "run"),
        preview=False,
    )
    assert run(config).previews == ()
    assert not list((tmp_path / "run").glob("preview*"))


def test_cancelling_a_preview_cancels_the_run() -> None:
    from engine.errors import RunCancelled

    def stop() -> tuple[Path, ...]:
        raise RunCancelled("stopped")

    with pytest.raises(RunCancelled):
        try_preview(stop, Progress())


def test_resampling_agrees_with_usd(data: Path) -> None:
    stage = open_stage(data / "edge" / "fox_survey_keys.usda")
    path = "/Fox/Skeleton"
    times = np.array([0.0, 3.5, 12.0, 47.25, 81.0])
    got, expected = resample(read_motion(stage, path), times), read_motion(stage, path, times)
    np.testing.assert_allclose(got.translations, expected.translations, atol=1e-4)
    dots = np.abs((got.rotations * expected.rotations).sum(-1))
    np.testing.assert_allclose(dots, 1, atol=1e-5)


def test_long_shots_are_thinned_out(motion_at: Callable[..., Motion], character: object) -> None:
    from engine.planning.plan import make_plan

    motion = motion_at(range(0, 2000, 100))
    plan = make_plan(character, motion)  # type: ignore[arg-type]
    times = preview_times([plan], motion)
    assert 45 <= len(times) <= 90
    np.testing.assert_allclose(np.diff(times), np.diff(times)[0])
    assert times[0] == 0
