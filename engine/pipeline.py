"""What a run does, stage by stage; :func:`run_stages` reads top to bottom.

    fill -> score -> author -> check -> preview

Where motion is fitted to a video, the stages of :mod:`engine.video_pipeline` come after *fill*, and before
them, where it is
wished for, the self-test of :mod:`engine.video_self_test`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from engine.config import RunConfig
from engine.errors import ResourceMissing, SourceChanged
from engine.inspection.report import check
from engine.planning.plan import Plan
from engine.planning.shot_plan import Planned
from engine.planning.source import Source
from engine.priors.fill import Filled, Parts, fill, split
from engine.progress import Progress
from engine.runs.inputs import note_inputs
from engine.runs.stage_cache import Store
from engine.runs.workspace import Workspace, result_stem
from engine.stages.score import score_run
from usd_io.model import Character, Motion

STAGE_WEIGHTS = {"fill": 5.0, "score": 2.0, "author": 1.0, "check": 1.0, "preview": 6.0, "report": 0.5}
"""Stages of a run with their share of the time, measured on clips of a few seconds."""


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


def resolve_engine(config: RunConfig) -> Literal["motion", "video"]:
    """What ``auto`` means here: video where one is given, or where the model named has weights and a GPU. With a
    self-test, which has the last word, the tiny model is tried too."""
    if config.engine != "auto":
        return config.engine
    if config.video:
        return "video"
    from engine.video.catalogue.models import card, find_model

    if (config.model == "tiny" and not config.self_test) or find_model(card(config.model)).state != "ready":
        return "motion"
    from engine.video.backends import backend

    try:
        backend(config.model, memory=config.memory)
    except ResourceMissing:
        return "motion"
    return "video"


def stage_weights(config: RunConfig, engine: str) -> dict[str, float]:
    """Stages to come with their share of the time."""
    if engine == "motion":
        return STAGE_WEIGHTS
    from engine import video_pipeline as video_run

    first = {"fill": STAGE_WEIGHTS["fill"]}
    return {**first, **video_run.stage_weights(config), **STAGE_WEIGHTS}


def run_stages(
    config: RunConfig, engine: str, planned: Planned, workspace: Workspace, progress: Progress
) -> RunResult:
    if engine == "video":
        from engine.video_pipeline import check_ready
        from engine.video_self_test import fill_by_video

        check_ready(config)
    source = planned.source or Source(config)
    workspace.before_keep = source.check_unchanged
    pictures = {"pictures": source.picture_hashes()} if engine == "video" else {}
    store = Store(
        workspace,
        progress,
        version=version("anymole"),
        source=source.hashes(),
        **pictures,
        **_deciding(config),
    )
    note_inputs(source, workspace, progress)
    progress.tell_plan(tuple(asdict(p) for p in planned.plans))
    _tell_warnings(planned, progress)
    characters, plans = planned.shot.characters, planned.plans
    with progress.stage("fill"):
        results = starts = fill_shot(planned, config, store)
    tests: Mapping[str, Any] = {}
    if engine == "video":
        results, tests = fill_by_video(config, characters, plans, starts, store, workspace.folder, progress)
        engine = "motion" if results is starts else engine
    with progress.stage("score"):
        scores = store.json(
            "score", lambda: score_run(characters, plans, results, starts, config.truth, tests), tests=tests
        )
    with progress.stage("author"):
        root, layer = store.files(
            "author",
            lambda: _author(config, engine, planned, source, results, scores, workspace),
            stage_path=config.stage,
            folder=str(workspace.folder),
            mode=config.author,
        )
    workspace.before_keep = source.check_unchanged
    with progress.stage("check"), _result_stands(progress):
        for finding in store.json("check", lambda: _new_findings(config.stage, root)):
            progress.note(f"{finding['rule']}: {finding['message']}", level="warning")
    previews: tuple[Path, ...] = ()
    if config.preview:
        previews = _preview(config, planned, results, source, workspace, store, progress)
    return RunResult(
        result=str(root),
        layer=str(layer),
        run=str(workspace.folder),
        plan=tuple(asdict(p) for p in planned.plans),
        scores=scores,
        previews=tuple(map(str, previews)),
    )


def _preview(
    config: RunConfig,
    planned: Planned,
    results: tuple[Filled, ...],
    source: Source,
    workspace: Workspace,
    store: Store,
    progress: Progress,
) -> tuple[Path, ...]:
    from engine.stages.preview import preview_run, try_preview

    def make() -> tuple[Path, ...]:
        characters = planned.shot.characters
        return preview_run(
            config.stage, characters, planned.plans, results, config.truth, workspace.folder, progress
        )

    with progress.stage("preview"):
        pictures = source.picture_hashes()
        return try_preview(lambda: store.files("preview", make, pictures=pictures), progress)


@contextmanager
def _result_stands(progress: Progress) -> Iterator[None]:
    """A source that is saved once the result is written changes nothing of it: it is said, and the run ends well."""
    try:
        yield
    except SourceChanged as error:
        progress.note(f"{error} This result holds what was there before.", level="warning")


_NOT_DECIDING = ("stage", "truth", "out", "force", "preview", "report")
"""Settings that no output depends on, or that count by the contents of the files they name."""
_LATER = (
    *("author", "model", "prompt", "caption", "steps", "guidance", "adapt", "memory"),
    *("video", "video_fps", "video_offset", "camera", "features", "solver", "self_test"),
)
"""Settings that count from the stage on that takes them, so that a change leaves what came before."""


def _deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide what every stage makes."""
    return {k: v for k, v in config.to_dict().items() if k not in (*_NOT_DECIDING, *_LATER)}


def fill_shot(planned: Planned, config: RunConfig, store: Store) -> tuple[Filled, ...]:
    """Run stage *fill* for every planned skeleton."""
    from usd_io.read.motion import read_motion
    from usd_io.read.stage import open_stage

    opened = open_stage(config.stage)

    def work(
        character: Character, motion: Motion, made: Plan
    ) -> tuple[Callable[[], Filled], Callable[[], Parts]]:
        def parts() -> Parts:
            return split(motion, made, partial(read_motion, opened, character.skeleton_path))

        def make() -> Filled:
            prior, takes, seed = config.prior, config.takes, config.seed
            return fill(character, parts(), made, prior, takes=takes, seed=seed, contacts=config.contacts)

        return make, parts

    shot = planned.shot
    return store.fills(
        [work(*each) for each in zip(shot.characters, shot.motions, planned.plans, strict=True)]
    )


def _author(
    config: RunConfig,
    engine: str,
    planned: Planned,
    source: Source,
    results: tuple[Filled, ...],
    scores: Mapping[str, Any],
    workspace: Workspace,
) -> tuple[Path, Path]:
    from usd_io.author.result import Take, author_result

    takes = {
        made.skeleton_path: Take(filled.motion, made.keys, filled.confidence, filled.others)
        for made, filled in zip(planned.plans, results, strict=True)
    }
    authored = author_result(
        config.stage,
        workspace.folder,
        result_stem(config),
        takes,
        mode=config.author,
        overwrite=config.force,
        provenance=_provenance(config, engine, planned, scores),
        confirm=source.check_unchanged,
    )
    workspace.before_keep = (
        _nothing  # what was published is of the hashed source, whatever is saved from now on
    )
    return authored.root, authored.layer


def _nothing() -> None:
    pass


def _new_findings(source: str, result: Path) -> list[dict[str, Any]]:
    """What is wrong with the result and was not with its source."""
    before = {(finding.rule, finding.message) for finding in check(source)}
    return [
        asdict(finding)
        for finding in check(str(result))
        if finding.severity != "info" and (finding.rule, finding.message) not in before
    ]


def _tell_warnings(planned: Planned, progress: Progress) -> None:
    for note in planned.notes:
        progress.note(note)
    warnings = [w for c in planned.shot.characters for w in c.warnings] + [
        w for p in planned.plans for w in p.warnings
    ]
    for warning in dict.fromkeys((*planned.shot.info.warnings, *warnings)):
        progress.note(warning, level="warning")


def _provenance(
    config: RunConfig, engine: str, planned: Planned, scores: Mapping[str, Any]
) -> dict[str, Any]:
    """What made the result, as plain values; :mod:`usd_io.author.result` adds the source layers with their hashes."""
    return {
        "version": version("anymole"),
        "engine": engine,
        "prior": config.prior,
        "seed": config.seed,
        "settings": {k: v for k, v in config.to_dict().items() if k not in _NOT_DECIDING},
        "plans": [asdict(p) for p in planned.plans],
        "scores": scores,
    }
