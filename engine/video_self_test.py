"""The self-test of the video engine: a piece of the context is hidden, the whole method fills it, the truth judges.

Model, settings and steps are those of the run: with fewer, another method would be tested. So a test costs about what
the run costs for one gap: adaptation and estimator are trained without the hidden piece, and again with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.events import Event, Note, PreviewWritten, RunStarted, StageReused
from engine.geometry.resample import resample
from engine.planning.plan import Plan
from engine.priors.fill import Filled, Parts, fill, split
from engine.priors.trials import hidden_pieces
from engine.progress import Overall, Progress
from engine.runs.stage_cache import Store
from engine.scene.scene import finished
from engine.stages.score import score_run
from engine.video_pipeline import SELF_TEST, VIDEO, VIDEO_WEIGHTS, VideoRun
from usd_io.model import Character

PERMILLE = 1000


@dataclass(frozen=True)
class VideoTest:
    """What became of the hidden piece of one skeleton."""

    start: float
    end: float
    """Time codes of the frames around it."""
    frames: int
    errors: Mapping[str, Mapping[str, Any]]
    """Fields of :class:`engine.geometry.metrics.Scores` by ``video``, name of the motion prior, ``slerp`` and
    ``spline``;
    without ``video`` where the skeleton cannot be seen."""


def fill_by_video(
    config: RunConfig,
    characters: Sequence[Character],
    plans: Sequence[Plan],
    starts: tuple[Filled, ...],
    store: Store,
    folder: Path,
    progress: Progress,
) -> tuple[tuple[Filled, ...], dict[str, Any]]:
    """All that the video engine does in a run: test itself where that is wished, and fit motion to video.

    Args:
        config: Of the run.
        characters: The skeletons of the run.
        plans: One per skeleton.
        starts: What the motion prior made of them.
        store: Of the run.
        folder: The run folder.
        progress: Told of each stage.

    Returns:
        What was made of the skeletons; ``starts`` themselves where the engine was left to the test and video did no
        better. And what the test found as plain values by skeleton path, nothing where none was made.

    Raises:
        EngineError: As the stages of :class:`engine.video_pipeline.VideoRun`.
    """
    run = VideoRun(config, characters, plans, starts, store, folder, progress)
    if not config.self_test:
        return run.run(), {}
    with progress.stage(SELF_TEST):
        tests = hide_and_fill(run)
    better = _tell_verdict(run, tests)
    chosen = config.engine == "video" or better
    return (run.run() if chosen else starts), {path: asdict(test) for path, test in tests.items()}


def hide_and_fill(run: VideoRun) -> dict[str, VideoTest]:
    """Fill a hidden piece of the context as a run would fill its gaps.

    Returns:
        By skeleton path; nothing where no context is long enough to hide a piece of.
    """
    pieces = choose_pieces(run.plans, run.starts)
    if not pieces:
        return {}
    progress = _as_one_stage(run.progress)
    config = replace(run.config, takes=1)
    store = run.store.beside(SELF_TEST, progress, pieces=pieces)
    work = [_piece_work(*each, config) for each in zip(run.characters, pieces, run.starts, strict=True)]
    with progress.stage("fill"):
        starts = store.fills(work)
    results = VideoRun(config, run.characters, pieces, starts, store, store.folder, progress).run()
    with progress.stage("score"):
        scores = store.json("score", lambda: score_run(run.characters, pieces, results, starts, truth=""))
    return {
        piece.skeleton_path: VideoTest(
            piece.gaps[0].start,
            piece.gaps[0].end,
            len(piece.fill_times),
            scores[piece.skeleton_path]["truth"] or {},
        )
        for piece in pieces
    }


def choose_pieces(plans: Sequence[Plan], starts: Sequence[Filled]) -> tuple[Plan, ...]:
    """One plan per skeleton that hides the same stretch of all: the end of a range that is context of all of them.

    Nothing where no such range is long enough.
    """
    shared = replace(plans[0], contexts=tuple(finished(plans)))
    found = hidden_pieces(starts[0].parts.known, shared)[:1]
    return tuple(
        replace(piece, skeleton_path=plan.skeleton_path, locked=plan.locked)
        for piece in found
        for plan in plans
    )


def _piece_work(
    character: Character, piece: Plan, start: Filled, config: RunConfig
) -> tuple[Callable[[], Filled], Callable[[], Parts]]:
    """How the motion prior fills a piece, and the piece's parts; the truth is among them."""

    def parts() -> Parts:
        known = start.parts.known
        return split(known, piece, lambda times: resample(known, times))

    return lambda: fill(character, parts(), piece, config.prior), parts


def _as_one_stage(progress: Progress) -> Progress:
    """Takes what the stages of the test tell, and tells it on as the progress of one stage."""
    overall = Overall()
    overall.take(RunStarted("", {}, {"fill": 5.0, **VIDEO_WEIGHTS, "score": 2.0}), 0.0)

    def tell(event: Event) -> None:
        overall.take(event, 0.0)
        match event:
            case Note(level, text):
                progress.note(f"self-test: {text}", level)
            case PreviewWritten(path=path):
                progress.preview(Path(path))
            case StageReused("score"):
                progress.reused()
        progress.step(round(overall.percent * PERMILLE / 100), PERMILLE)

    def stop() -> bool:
        progress.check()
        return False

    return Progress(tell, stop)


def _tell_verdict(run: VideoRun, tests: Mapping[str, VideoTest]) -> bool:
    """Say what the test found; returns whether a run that may choose takes video."""
    fitted = [test.errors for test in tests.values() if VIDEO in test.errors]
    if not fitted:
        run.progress.note(
            "the video engine was not tested: no context is long enough to hide a piece of.", level="warning"
        )
        return run.config.model != "tiny"
    prior = run.starts[0].prior
    video, motion, slerp = (_mean_l2p(fitted, name) for name in (VIDEO, prior, "slerp"))
    test = next(iter(tests.values()))
    better = video < motion
    advice = (
        "" if run.config.engine == "auto" or video <= motion else "; --engine motion takes the better one"
    )
    run.progress.note(
        f"self-test: on the hidden frames {test.start:g} to {test.end:g} of the context the video engine is off by "
        f"{video:.4f} of the height, the motion engine by {motion:.4f}, slerp by {slerp:.4f}{advice}.",
        level="warning" if video > motion else "info",
    )
    if run.config.engine == "auto":
        run.progress.note(f"the {'video' if better else 'motion'} engine is taken, as it did better there.")
    return better


def _mean_l2p(errors: Sequence[Mapping[str, Mapping[str, Any]]], name: str) -> float:
    """Mean over skeletons [heights]."""
    return float(np.mean([each[name]["l2p"] for each in errors]))
