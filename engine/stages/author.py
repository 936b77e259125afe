"""Run stage *author*: the motion of every subject -> a new layer over the untouched source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.files.json_values import to_plain
from engine.geometry.metrics import height
from engine.geometry.sparse import breakdowns
from engine.planning.pins import PIN_TOLERANCE
from engine.priors.fill import Filled
from engine.runs.stage_cache import FileStage, RunContext, StageWork
from engine.runs.workspace import opened_names
from engine.scene.subject import Subject
from engine.settings.choices import AuthorMode
from usd_io.author.names import flat_name, root_name
from usd_io.errors import shown

SAFETY = 0.95
"""Part of the tolerance that is used: what is written is rounded."""


@dataclass(frozen=True, eq=False)
class AuthorInputs:
    """What decides the files of a result."""

    source: str
    """Path of the stage, however it was spelt: the result names it by its place beside its own."""
    layers: tuple[str, ...]
    """Hashes of its layers."""
    place: str
    """The same of the run folder."""
    stem: str
    mode: AuthorMode
    subjects: tuple[Subject, ...]
    provenance: Mapping[str, Any]
    sharing: tuple[str, ...]
    """All skeletons that move as the subjects do: they share their animations."""
    stage: Any = field(compare=False)
    """The source, open."""
    folder: Path = field(compare=False)
    overwrite: bool = field(compare=False)
    confirm: Callable[[], None] = field(compare=False)
    """As in :func:`usd_io.author.result.author_result`."""
    tolerance: float | None = None
    """Of sparse samples [heights]; None: one per frame."""


def author(inputs: AuthorInputs, context: RunContext) -> tuple[Path, Path]:
    """The root stage of the result and its layer with the animation."""
    files = context.cache.files(FileStage("author", inputs, _author, confirmed=True))
    root, layer = files[0], files[-1]  # one file where it is flat
    return root, layer


def _author(inputs: AuthorInputs, work: StageWork) -> Sequence[Path]:
    from usd_io.author.result import Take, author_result

    filled = {subject.path: _thinned(subject, inputs.tolerance) for subject in inputs.subjects}
    takes = {
        subject.path: Take(
            filled[subject.path].motion,
            subject.plan.pose_keys,
            filled[subject.path].confidence,
            filled[subject.path].others,
            gaps=subject.plan.channel_gaps,
            kept_joints=subject.plan.locked,
        )
        for subject in inputs.subjects
    }
    provenance = dict(inputs.provenance)
    if inputs.tolerance is not None:
        provenance["breakdowns"] = {
            subject.path: np.intersect1d(filled[subject.path].motion.times, subject.plan.fill_times).tolist()
            for subject in inputs.subjects
        }
        _tell_of_samples(inputs, provenance["breakdowns"], work)
    _tell_of_choices(inputs, work)
    for name in opened_names(inputs.stem, inputs.mode):
        work.claim(work.folder / name)
    authored = author_result(
        inputs.stage,
        inputs.folder,
        inputs.stem,
        takes,
        mode=inputs.mode,
        overwrite=inputs.overwrite,
        provenance=provenance,
        confirm=inputs.confirm,
        sharing=inputs.sharing,
        claim=lambda path: work.claim(work.folder / path.name),
        keep_earlier=True,
    )
    return authored.root, authored.layer


def _tell_of_samples(
    inputs: AuthorInputs, breakdowns_of: Mapping[str, Sequence[float]], work: StageWork
) -> None:
    """Say how many samples are left between the keys."""
    for subject in inputs.subjects:
        left, all_of_them = len(breakdowns_of[subject.path]), len(subject.plan.fill_times)
        why = (
            "all, for its channels have keys of their own"
            if _has_own_keys(subject)
            else f"every joint within {100 * (inputs.tolerance or 0):g} % of the height of the full motion"
            + (", pinned ones in their places" if subject.plan.pins else "")
        )
        work.progress.note(
            f"{shown(subject.path)}: {left} samples are written for {all_of_them} filled frames: {why}."
        )


def _has_own_keys(subject: Subject) -> bool:
    return any(own.gaps for own in subject.plan.channels.values())


def _tell_of_choices(inputs: AuthorInputs, work: StageWork) -> None:
    """Say that what was chosen in an earlier result of the run is not in the one that takes its place."""
    from usd_io.author.gaps import read_gaps
    from usd_io.errors import UsdIoError

    for name in (root_name(inputs.stem), flat_name(inputs.stem)):
        path = inputs.folder / name
        if path.is_symlink() or not path.is_file():
            continue
        try:
            chosen = sum(gap.accepted or gap.take != 1 for gap in read_gaps(path))
        except UsdIoError:
            continue
        if chosen:
            work.progress.note(
                f"What was chosen for {chosen} gaps of the earlier result is not in the new one, which shows take 1; "
                "choose again with 'anymole take'.",
                level="warning",
            )


def _thinned(subject: Subject, tolerance: float | None) -> Filled:
    """What is authored of a subject: all of it, or, where its channels share their keys, as few samples as keep it."""
    filled = subject.filled
    if tolerance is None or _has_own_keys(subject):
        return filled
    size = height(subject.character, filled.motion, subject.plan.keys[0])
    gaps = [(gap.start, gap.end) for gap in subject.plan.gaps]
    times, joints = filled.motion.times, subject.character.joints
    tolerances = np.full((len(times), len(joints)), SAFETY * tolerance * size)
    for pin in subject.plan.pins:
        # the motion itself has pinned joints within half of what they may be off, mostly
        here = (times >= pin.start) & (times <= pin.end), joints.index(pin.joint)
        tolerances[here] = np.minimum(tolerances[here], PIN_TOLERANCE / 2 * size)
    kept = np.flatnonzero(breakdowns(subject.character, filled.takes, gaps, tolerances))
    return replace(
        filled,
        motion=filled.motion.at(kept),
        others=tuple(other.at(kept) for other in filled.others),
        confidence=None if filled.confidence is None else filled.confidence[kept],
    )


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
        "plans": [to_plain(subject.plan) for subject in subjects],
        "scores": scores,
    }
