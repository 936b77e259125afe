"""What a run does, stage by stage; :func:`run_stages` reads top to bottom.

    fill -> score -> author -> check -> preview

Where motion is fitted to a video, the stages of :mod:`engine.video_pipeline` come after *fill*, and before them, where
it is requested, its self-test.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from engine.config import RunConfig
from engine.errors import ResourceMissing, SourceChanged
from engine.files.json_values import to_plain
from engine.inspection.unheeded import makes_no_video
from engine.planning.shot_plan import Planned
from engine.planning.source import Source
from engine.priors.fill import seconds
from engine.progress import Progress
from engine.runs.inputs import note_inputs
from engine.runs.stage_cache import RunContext, StageCache
from engine.runs.workspace import Workspace, result_stem
from engine.scene.subject import Subject
from engine.settings.samples import parse_samples
from engine.stages.author import AuthorInputs, author, provenance_of
from engine.stages.check import CheckInputs, check_result
from engine.stages.fill import fill_shot
from engine.stages.preview import PreviewInputs, preview
from engine.stages.score import ScoreInputs, score
from usd_io.memory import give_back

STAGE_WEIGHTS = {
    "fill": (0.3, 0.0),
    "score": (0.03, 2e-6),
    "author": (0.15, 3e-6),
    "check": (0.1, 5e-7),
    "preview": (1.2, 0.0),
    "report": (0.1, 1e-6),
}
"""Stages of a run with what they take on one core [s]: of any shot, and for each joint in each filled frame; fill takes
:func:`engine.priors.fill.seconds` beside. Measured on the fox (75 frames, 24 joints), the boxer, and shots of 2,744,
7,000 and 11,343 frames with 43, 20 and 43 joints. As shares they hold on slower machines too."""


@dataclass(frozen=True)
class RunResult:
    """What a run made."""

    result: str
    """Root stage to open."""
    layer: str
    """Data layer with the animation."""
    run: str
    """Run folder."""
    plan: tuple[Mapping[str, Any], ...]
    scores: Mapping[str, Any]
    """By skeleton path."""
    previews: tuple[str, ...] = ()
    """Pictures and videos of the result."""
    report: str = ""
    """The report as one HTML file; empty without one."""

    def in_folder(self, folder: Path | str) -> "RunResult":
        """With the paths as seen from where the run folder is now: it holds all files."""

        def place(path: str) -> str:
            return str(Path(folder) / Path(path).name) if path else ""

        return replace(
            self,
            result=place(self.result),
            layer=place(self.layer),
            run=str(folder),
            previews=tuple(map(place, self.previews)),
            report=place(self.report),
        )


def resolve_engine(config: RunConfig) -> Literal["motion", "video"]:
    """What ``auto`` means here: video where one is given, or where the model named has weights and a GPU. With a
    self-test, which has the last word, the tiny model is tried too."""
    if config.engine == "video" or config.video:
        return "video"
    if makes_no_video(config):
        return "motion"
    from engine.video_pipeline import model_of

    try:
        model_of(config)
    except ResourceMissing:
        return "motion"
    return "video"


def stage_weights(config: RunConfig, engine: str, planned: Planned | None = None) -> dict[str, float]:
    """Stages to come with their share of the time, as far as it is known before a shot is planned; those that the
    settings leave out are none of them."""
    left_out = {"preview": not config.preview, "report": not config.report}
    shot = () if planned is None else tuple(zip(planned.shot.characters, planned.plans, strict=True))
    filled = sum(len(character.joints) * len(plan.fill_times) for character, plan in shot)
    weights = {
        name: least + each * filled for name, (least, each) in STAGE_WEIGHTS.items() if not left_out.get(name)
    }
    weights["fill"] += sum(sum(seconds(*subject, config.prior, config.takes)) for subject in shot)
    if engine == "motion":
        return weights
    from engine.video_pipeline import stage_weights as video_weights

    return {"fill": weights["fill"], **video_weights(config), **weights}


def run_stages(
    config: RunConfig, engine: str, planned: Planned, workspace: Workspace, progress: Progress
) -> RunResult:
    """Do the stages of a run in its folder.

    Args:
        config: Of the run.
        engine: ``motion`` or ``video``.
        planned: What is to be filled.
        workspace: The run folder.
        progress: Reports each stage.

    Raises:
        EngineError, UsdIoError: What a user can fix.
    """
    if engine == "video":
        from engine.video_pipeline import check_ready

        check_ready(config, planned.plans, planned.shot.motions[0].time_codes_per_second)
    source = planned.source or Source(config)
    workspace.before_keep = source.check_unchanged
    cache = StageCache(workspace, progress, workspace.folder)
    context = RunContext(config, cache, progress)
    note_inputs(source, workspace, progress)
    progress.tell_plan(tuple(to_plain(p) for p in planned.plans), stage_weights(config, engine, planned))
    _tell_warnings(planned, progress)
    with cache.stage("fill"):
        subjects = fill_shot(planned, source, context)
    tests: Mapping[str, Any] = {}
    if engine == "video":
        subjects, tests = _fit_to_video(source, subjects, context)
    _tell_missed_pins(subjects, progress)
    layers = tuple(source.hashes())
    with cache.stage("score"):
        truth_layers = layers if config.truth else ()
        scores = score(ScoreInputs(subjects, truth_layers, tests, source.truth), context)
    moved = tuple(subject.of_motion() for subject in subjects)
    if not config.preview:
        subjects = ()  # of a long clip what follows needs the room
    give_back()
    with cache.stage("author"):
        root, layer = author(
            AuthorInputs(
                source=os.path.abspath(config.stage),  # noqa: PTH100  # as text: links stay
                layers=layers,
                place=os.path.abspath(workspace.folder),  # noqa: PTH100
                folder=workspace.folder.absolute(),
                stem=result_stem(config),
                mode=config.author,
                tolerance=parse_samples(config.samples),
                subjects=moved,
                provenance=provenance_of(
                    config.to_dict(),
                    version=version("anymole"),
                    engine="video" if any(subject.fitted for subject in moved) else "motion",
                    subjects=moved,
                    scores=scores,
                ),
                sharing=tuple(path for group in planned.shot.sharing for path in group),
                stage=source.stage,
                overwrite=config.force,
                confirm=source.check_unchanged,
            ),
            context,
        )
    del moved
    give_back()
    with cache.stage("check"), _result_stands(progress):
        compared = check_result(CheckInputs(layers, root, layer), context)
        scores = {path: {**own, "source": compared.get(path)} for path, own in scores.items()}
    previews: tuple[Path, ...] = ()
    if config.preview:
        with cache.stage("preview"):
            pictures = tuple(source.picture_hashes())
            previews = preview(PreviewInputs(layers, pictures, subjects, source.stage, source.truth), context)
    result = RunResult(
        result=str(root),
        layer=str(layer),
        run=str(workspace.folder),
        plan=tuple(to_plain(p) for p in planned.plans),
        scores=scores,
        previews=tuple(map(str, previews)),
    )
    if not config.report:
        return result
    from engine.stages.report import report_inputs, try_report

    with cache.stage("report"):
        told = to_plain(result.in_folder("."))
        page = try_report(lambda: report_inputs(config, told, workspace.folder, source), context)
    return replace(result, report=page)


def _fit_to_video(
    source: Source, subjects: tuple[Subject, ...], context: RunContext
) -> tuple[tuple[Subject, ...], dict[str, Any]]:
    """The subjects as the video engine leaves them, and what its self-test found, as plain values by skeleton path;
    nothing where none was made."""
    from engine.stages.self_test import self_test
    from engine.video_pipeline import VIDEO_WEIGHTS, fit_to_video

    fit = partial(fit_to_video, source.stage)
    if not context.config.is_tested:
        return fit(subjects, context), {}
    weights = {"fill": STAGE_WEIGHTS["fill"][0], **VIDEO_WEIGHTS, "score": STAGE_WEIGHTS["score"][0]}
    found = self_test(subjects, fit, weights, context)
    chosen = context.config.engine == "video" or found.better
    tests = {path: to_plain(test) for path, test in found.tests.items()}
    context = replace(context, config=found.config)
    return (fit(subjects, context) if chosen else subjects), tests


@contextmanager
def _result_stands(progress: Progress) -> Iterator[None]:
    """A source that is saved once the result is written changes nothing of it: it is said, and the run ends well."""
    try:
        yield
    except SourceChanged as error:
        progress.note(f"{error} This result holds what was there before.", level="warning")


def _tell_warnings(planned: Planned, progress: Progress) -> None:
    for note in planned.notes:
        progress.note(note, level="warning")
    warnings = [w for c in planned.shot.characters for w in c.warnings] + [
        w for p in planned.plans for w in p.warnings
    ]
    for warning in dict.fromkeys((*planned.shot.info.warnings, *warnings)):
        progress.note(warning, level="warning")


def _tell_missed_pins(subjects: Sequence[Subject], progress: Progress) -> None:
    from engine.priors.shaping.pins import missed_pins

    for subject in subjects:
        for warning in missed_pins(subject.character, subject.filled.motion, subject.plan):
            progress.note(warning, level="warning")
