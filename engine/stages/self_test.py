"""Run stage *self_test*: a piece of the context is hidden, the whole video method fills it, the truth judges.

Model, settings and steps are those of the run: with fewer, another method would be tested. So a test costs about what
the run costs for one gap: adaptation and estimator are trained without the hidden piece, and again with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.events import Event, Note, PreviewWritten, RunStarted, StageReused
from engine.geometry.resample import resample
from engine.planning.plan import Plan
from engine.priors.catalogue import prior_package
from engine.priors.fill import split
from engine.priors.trials import hidden_pieces
from engine.progress import Overall, Progress
from engine.runs.stage_cache import RunContext
from engine.scene.scene import finished
from engine.scene.subject import Subject
from engine.stages.fill import FillInputs, fill_all
from engine.stages.mimic import VIDEO
from engine.stages.score import ScoreInputs, score
from usd_io.errors import timecode

SELF_TEST = "self_test"
PERMILLE = 1000
STRENGTHS = (0.3, 0.6, 1.0)
"""Of a control, tried beside none at all: a guess that is shown too strongly only comes back."""


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


@dataclass(frozen=True)
class SelfTested:
    """What came of the test."""

    tests: Mapping[str, VideoTest]
    """By skeleton path; empty where no context is long enough to hide a piece of."""
    better: bool
    """Whether a run that may choose takes video."""
    config: RunConfig
    """The settings of the run; with the strength of the control that did best, where none was given."""


Fit = Callable[[Sequence[Subject], RunContext], tuple[Subject, ...]]
"""The stages that fit motion to a video."""


def self_test(
    subjects: Sequence[Subject], fit: Fit, weights: Mapping[str, float], context: RunContext
) -> SelfTested:
    """Fill a hidden piece of the context as a run would fill its gaps, and say whether video did better.

    Args:
        subjects: Of the run.
        fit: What the run fits motion to video with.
        weights: Its stages with their share of the time.
        context: Of the run.

    Raises:
        EngineError: As the stages of the video engine.
    """
    tried = variants(context.config)
    with context.progress.stage(SELF_TEST):
        pieces = choose_pieces(subjects)
        results = [
            _hide_and_fill(subjects, pieces, fit, replace(context, config=config), part)
            for config, part in zip(tried, _as_one_stage(context.progress, weights, len(tried)), strict=True)
        ]
    best = _best(tried, results, context.progress)
    chosen = replace(tried[best], takes=context.config.takes)
    return SelfTested(results[best], _tell_verdict(subjects, results[best], context), chosen)


def variants(config: RunConfig) -> tuple[RunConfig, ...]:
    """The settings to test: those of the run; where a control has no strength, some strengths of it, no control
    first."""
    if config.control == "none" or config.control_strength > 0:
        return (config,)
    return (replace(config, control="none"), *(replace(config, control_strength=s) for s in STRENGTHS))


def _best(tried: Sequence[RunConfig], results: Sequence[Mapping[str, VideoTest]], progress: Progress) -> int:
    """Which settings did best on the hidden piece; the middle strength where none could be measured."""
    if len(tried) == 1:
        return 0
    fitted = [[test.errors for test in tests.values() if VIDEO in test.errors] for tests in results]
    if not all(fitted):
        best = 1 + STRENGTHS.index(sorted(STRENGTHS)[len(STRENGTHS) // 2])
        progress.note(
            f"the strength of the control was not tested; {tried[best].control_strength:g} is taken.",
            level="warning",
        )
        return best
    errors = [_mean_l2p(each, VIDEO) for each in fitted]
    best = min(range(len(tried)), key=errors.__getitem__)
    listed = ", ".join(f"{_control(c)} {error:.4f}" for c, error in zip(tried, errors, strict=True))
    progress.note(
        f"self-test: errors in heights by strength of the control: {listed}; {_control(tried[best])} is taken."
    )
    return best


def _control(config: RunConfig) -> str:
    return "no control" if config.control == "none" else f"{config.control} {config.control_strength:g}"


def _hide_and_fill(
    subjects: Sequence[Subject], pieces: Mapping[str, Plan], fit: Fit, context: RunContext, progress: Progress
) -> dict[str, VideoTest]:
    """By skeleton path; nothing where no context is long enough to hide a piece of."""
    if not pieces:
        return {}
    config = replace(context.config, takes=1)
    inner = RunContext(config, context.cache.beside(SELF_TEST, progress), progress)
    work = [_piece_inputs(subject, pieces[subject.path], config) for subject in subjects]
    with inner.cache.stage("fill"):
        hidden = fill_all(work, inner)
    results = fit(hidden, inner)
    with inner.cache.stage("score"):
        scores = score(ScoreInputs(results), inner)
    return {
        path: VideoTest(
            piece.gaps[0].start, piece.gaps[0].end, len(piece.fill_times), scores[path]["truth"] or {}
        )
        for path, piece in pieces.items()
    }


def choose_pieces(subjects: Sequence[Subject]) -> dict[str, Plan]:
    """By skeleton path a plan that hides the same stretch of all: the end of a range that is context of all of them.

    Nothing where no such range is long enough.
    """
    first = subjects[0]
    shared = replace(first.plan, contexts=tuple(finished([subject.plan for subject in subjects])))
    found = hidden_pieces(first.start.parts.known, shared)[:1]
    return {
        subject.path: replace(piece, skeleton_path=subject.path, locked=subject.plan.locked)
        for piece in found
        for subject in subjects
    }


def _piece_inputs(subject: Subject, piece: Plan, config: RunConfig) -> FillInputs:
    """How the motion prior fills a piece; the truth is among its parts."""
    known = subject.start.parts.known
    parts = split(known, piece, partial(resample, known))
    return FillInputs(subject.character, parts, piece, config.prior, 1, 0, True, prior_package(config.prior))


def _as_one_stage(progress: Progress, weights: Mapping[str, float], count: int) -> list[Progress]:
    """For each of some tests what takes what its stages tell, and tells it on as the progress of one stage."""
    return [_as_part(progress, weights, number, count) for number in range(count)]


def _as_part(progress: Progress, weights: Mapping[str, float], number: int, count: int) -> Progress:
    overall = Overall()
    overall.take(RunStarted("", {}, weights), 0.0)

    def tell(event: Event) -> None:
        overall.take(event, 0.0)
        match event:
            case Note(level, text):
                progress.note(f"self-test: {text}", level)
            case PreviewWritten(path=path):
                progress.preview(Path(path))
            case StageReused("score"):
                progress.reused()
        progress.step(round((number + overall.percent / 100) / count * PERMILLE), PERMILLE)

    def stop() -> bool:
        progress.check()
        return False

    return Progress(tell, stop)


def _tell_verdict(subjects: Sequence[Subject], tests: Mapping[str, VideoTest], context: RunContext) -> bool:
    """Say what the test found; returns whether a run that may choose takes video."""
    config, progress = context.config, context.progress
    fitted = [test.errors for test in tests.values() if VIDEO in test.errors]
    if not fitted:
        progress.note(
            "the video engine was not tested: no context is long enough to hide a piece of.", level="warning"
        )
        return config.video_choice.model != "tiny"
    prior = subjects[0].start.prior
    video, motion, slerp = (_mean_l2p(fitted, name) for name in (VIDEO, prior, "slerp"))
    test = next(iter(tests.values()))
    better = video < motion
    advice = "" if config.engine == "auto" or video <= motion else "; the engine motion takes the better one"
    progress.note(
        f"self-test: on the hidden frames {timecode(test.start)} to {timecode(test.end)} of the context the video "
        f"engine is off by {video:.4f} of the height, the motion engine by {motion:.4f}, slerp by "
        f"{slerp:.4f}{advice}.",
        level="warning" if video > motion else "info",
    )
    if config.engine == "auto":
        progress.note(
            f"the {'video' if better else 'motion'} engine is used, since its error was smaller there."
        )
    return better


def _mean_l2p(errors: Sequence[Mapping[str, Mapping[str, Any]]], name: str) -> float:
    """Mean over skeletons [heights]."""
    return float(np.mean([each[name]["l2p"] for each in errors]))
