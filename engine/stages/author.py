"""Run stage *author*: the motion of every subject -> a new layer over the untouched source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.runs.stage_cache import FileStage, RunContext, StageWork
from engine.scene.subject import Subject
from engine.settings.choices import AuthorMode


@dataclass(frozen=True, eq=False)
class AuthorInputs:
    """What decides the files of a result."""

    source: str
    """Path of the stage: the result names it by its place beside its own."""
    layers: tuple[str, ...]
    """Hashes of its layers."""
    folder: str
    stem: str
    mode: AuthorMode
    subjects: tuple[Subject, ...]
    provenance: Mapping[str, Any]
    sharing: tuple[str, ...]
    """All skeletons that move as the subjects do: they share their animations."""
    stage: Any = field(compare=False)
    """The source, open."""
    overwrite: bool = field(compare=False)
    confirm: Callable[[], None] = field(compare=False)
    """As in :func:`usd_io.author.result.author_result`."""


def author(inputs: AuthorInputs, context: RunContext) -> tuple[Path, Path]:
    """The root stage of the result and its layer with the animation."""
    root, layer = context.cache.files(FileStage("author", inputs, _author, confirmed=True))
    return root, layer


def _author(inputs: AuthorInputs, work: StageWork) -> Sequence[Path]:
    from usd_io.author.result import Take, author_result

    takes = {
        subject.path: Take(
            subject.filled.motion,
            subject.plan.pose_keys,
            subject.filled.confidence,
            subject.filled.others,
            gaps=subject.plan.channel_gaps,
            kept_joints=subject.plan.locked,
        )
        for subject in inputs.subjects
    }
    for end in (".usdc", ".json") if inputs.mode == "flat" else (".usda", "_anim.usdc", ".json"):
        work.claim(work.folder / f"{inputs.stem}{end}")
    authored = author_result(
        inputs.stage,
        Path(inputs.folder),
        inputs.stem,
        takes,
        mode=inputs.mode,
        overwrite=inputs.overwrite,
        provenance=inputs.provenance,
        confirm=inputs.confirm,
        sharing=inputs.sharing,
    )
    return authored.root, authored.layer


_ELSEWHERE = ("stage", "truth", "out", "force", "preview", "report")
"""Settings that decide nothing of the result, or that stand in it as the source."""


def provenance_of(
    settings: Mapping[str, Any],
    *,
    version: str,
    engine: str,
    subjects: Sequence[Subject],
    scores: Mapping[str, Any],
) -> dict[str, Any]:
    """What made the result, as plain values; :mod:`usd_io.author.result` adds the source layers with their hashes."""
    return {
        "version": version,
        "engine": engine,
        "prior": settings["prior"],
        "seed": settings["seed"],
        "settings": {name: value for name, value in settings.items() if name not in _ELSEWHERE},
        "plans": [asdict(subject.plan) for subject in subjects],
        "scores": scores,
    }
