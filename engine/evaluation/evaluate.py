"""Compare priors with the truth: hide all of a dense clip but context and keys, fill, score.

Nothing is written to or beside the stage. A *suite* is a TOML file with a list of ``[[case]]`` tables.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.evaluation.config import ALL, BASELINE, ORACLE, ComparisonConfig
from engine.evaluation.rows import Evaluation, Row, split_dense
from engine.files.atomic import write_text
from engine.files.toml import read_toml
from engine.geometry.metrics import Scores, score
from engine.planning.plan import Plan, make_plan
from engine.priors.fill import fill_plainly
from engine.progress import Progress
from usd_io.errors import shown
from usd_io.files import relative_path
from usd_io.model import Character, Motion, Shot


@dataclass(frozen=True)
class SuiteCase:
    """One entry of a suite."""

    id: str
    stage: str
    context: tuple[tuple[float, float], ...]
    keys: tuple[float, ...]
    calm: bool = False
    """Little moves: what counts is the difference from slerp, not the ratio."""
    slerp_l2p: float | None = None
    """What slerp has to score, as a check of the metric."""


@dataclass(frozen=True)
class SuiteSummary:
    """One prior over a suite, relative to slerp."""

    prior: str
    mean_ratio: float
    """Mean L2P ratio over the cases that are not calm."""
    worst_ratio: float
    worst_case: str
    calm_difference: float
    """Largest L2P above slerp's over the calm cases."""
    mean_l2q_ratio: float
    mean_npss_ratio: float
    largest_key_error: float
    seconds: float


@dataclass(frozen=True)
class Benchmark:
    """A whole suite."""

    suite: str
    cases: tuple[tuple[SuiteCase, Evaluation], ...]
    summaries: tuple[SuiteSummary, ...]


def evaluate(
    stage: str,
    *,
    contexts: Sequence[tuple[float, float]],
    keys: Sequence[float],
    priors: str | Sequence[str] = ALL,
    skeletons: Sequence[str] = (),
    engine: str = "motion",
    contacts: bool = True,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Score priors on every skeleton of a dense clip.

    Args:
        stage: Path of the stage.
        contexts: Ranges of motion that the priors see [time codes].
        keys: Times of the poses that they see [time codes].
        priors: Their names, or ``all``; ``slerp`` is always among them.
        skeletons: Prim paths; without any, all skeletons that the times suit.
        engine: ``oracle`` adds the fit to a perfect video (:mod:`engine.evaluation.oracle`) beside slerp and auto; any
            other compares the priors alone.
        contacts: Whether joints that rest are held, as in a run (:func:`engine.priors.fill.complete`); the oracle
            always holds them.
        progress: Of the oracle.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Times, priors or an engine that do not exist.
    """
    from usd_io.read.stage import read_shot

    names = _comparison(engine, priors).priors
    shot = read_shot(stage, tuple(skeletons), meshes=engine == ORACLE)
    plans = plans_of(shot, contexts, keys, strict=bool(skeletons))
    if engine == ORACLE:
        from engine.evaluation.oracle import evaluate_oracle

        found = {character.skeleton_path: plan for character, _, plan in plans}
        each = [found.get(character.skeleton_path) for character in shot.characters]
        return evaluate_oracle(shot, each, names, progress or Progress())
    return tuple(
        _evaluate(shot, character, motion, plan, names, progress or Progress(), contacts=contacts)
        for character, motion, plan in plans
    )


def _comparison(engine: str, priors: str | Sequence[str]) -> ComparisonConfig:
    named = (priors,) if isinstance(priors, str) else tuple(priors)
    return ComparisonConfig(engine=engine, prior=named)  # type: ignore[arg-type]  # checked there


def plans_of(
    shot: Shot, contexts: Sequence[tuple[float, float]], keys: Sequence[float], *, strict: bool
) -> list[tuple[Character, Motion, Plan]]:
    """Plans of the skeletons that the times suit; all of them have to when they were named."""
    made, refused = [], []
    for character, motion in zip(shot.characters, shot.motions, strict=True):
        try:
            plan = make_plan(character, motion, contexts=contexts, keys=keys, fill_at_samples=True)
            made.append((character, motion, plan))
        except ConfigError as error:
            refused.append(error)
    if refused and (strict or not made):
        raise refused[0]
    return made


def _evaluate(
    shot: Shot,
    character: Character,
    motion: Motion,
    plan: Plan,
    names: Sequence[str],
    progress: Progress,
    *,
    contacts: bool,
) -> Evaluation:
    rows: list[Row] = []
    for i, name in enumerate(names):
        scores, seconds = _timed_score(character, motion, plan, name, contacts=contacts)
        base = rows[0].scores.l2p if rows else scores.l2p
        rows.append(Row(name, scores, scores.l2p / base if base > 0 else 1.0, seconds))
        progress.step(i + 1, len(names))
    return Evaluation(
        shot.info.path, character.skeleton_path, len(plan.fill_times), len(plan.gaps), tuple(rows)
    )


def _timed_score(
    character: Character, motion: Motion, plan: Plan, prior: str, *, contacts: bool
) -> tuple[Scores, float]:
    parts = split_dense(motion, plan)
    started = time.perf_counter()
    filled = fill_plainly(prior, character, parts, plan, contacts=contacts, texture=True)
    seconds = time.perf_counter() - started
    return score(character, motion, filled, plan), seconds


def read_suite(path: Path) -> tuple[SuiteCase, ...]:
    """Cases of a suite; their stages are relative to its folder.

    Raises:
        ConfigError: The file cannot be read or an entry is not as it should be.
    """
    try:
        entries = read_toml(path, "the suite").get("case", [])
        cases = tuple(_case(entry, path.parent) for entry in entries)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(f"{shown(path)} is no suite: {type(error).__name__} {shown(error)}.") from error
    if not cases:
        raise ConfigError(f"{shown(path)} holds no [[case]].")
    return cases


def _case(entry: Mapping[str, Any], folder: Path) -> SuiteCase:
    context = entry["context"]
    ranges = context if isinstance(context[0], list) else [context]
    return SuiteCase(
        id=str(entry["id"]),
        stage=str(folder / entry["stage"]),
        context=tuple((float(start), float(end)) for start, end in ranges),
        keys=tuple(float(key) for key in entry["keys"]),
        calm=bool(entry.get("calm", False)),
        slerp_l2p=None if "slerp_l2p" not in entry else float(entry["slerp_l2p"]),
    )


def benchmark(
    suite: str | Path,
    *,
    priors: str | Sequence[str] = ALL,
    engine: str = "motion",
    contacts: bool = True,
    progress: Progress | None = None,
) -> Benchmark:
    """Evaluate every case of a suite and sum up each prior against slerp.

    Raises:
        ConfigError: The suite, its times or the priors cannot be used.
        UsdIoError: A stage cannot be read.
    """
    progress = progress or Progress()
    cases = read_suite(Path(suite))
    done: list[tuple[SuiteCase, Evaluation]] = []
    for i, case in enumerate(cases):
        try:
            found = evaluate(
                case.stage,
                contexts=case.context,
                keys=case.keys,
                priors=priors,
                engine=engine,
                contacts=contacts,
            )
        except ConfigError as error:
            raise ConfigError(f"case {case.id!r}: {error}") from error
        done += [(case, evaluation) for evaluation in found]
        progress.step(i + 1, len(cases))
    names = (*_comparison(engine, priors).priors, *([ORACLE] if engine == ORACLE else []))
    summaries = tuple(_summary(name, done) for name in names)
    return Benchmark(str(suite), tuple(done), summaries)


def save_benchmark(result: Benchmark, path: Path) -> Path:
    """Write the whole table as JSON. Suite and stages are named from its folder: it may be kept and moved with them.

    Raises:
        EngineError: The file cannot be written.
    """
    plain = asdict(result)
    plain["suite"] = relative_path(result.suite, path.parent)
    for part in chain.from_iterable(plain["cases"]):
        part["stage"] = relative_path(part["stage"], path.parent)
    write_text(path, json.dumps(plain, indent=1) + "\n", "name another file")
    return path


def _summary(prior: str, done: Sequence[tuple[SuiteCase, Evaluation]]) -> SuiteSummary:
    rows = [(case, _row(e, prior), _row(e, BASELINE)) for case, e in done]
    moving = [(case, row, base) for case, row, base in rows if not case.calm] or rows
    worst = max(moving, key=lambda entry: entry[1].l2p_ratio)
    return SuiteSummary(
        prior=prior,
        mean_ratio=float(np.mean([row.l2p_ratio for _, row, _ in moving])),
        worst_ratio=worst[1].l2p_ratio,
        worst_case=worst[0].id,
        calm_difference=max((r.scores.l2p - b.scores.l2p for c, r, b in rows if c.calm), default=0.0),
        mean_l2q_ratio=float(np.mean([_over(row.scores.l2q, base.scores.l2q) for _, row, base in moving])),
        mean_npss_ratio=float(np.mean([_over(row.scores.npss, base.scores.npss) for _, row, base in moving])),
        largest_key_error=max(row.scores.key_error for _, row, _ in rows),
        seconds=sum(row.seconds for _, row, _ in rows),
    )


def _row(evaluation: Evaluation, prior: str) -> Row:
    return next(row for row in evaluation.rows if row.prior == prior)


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else 1.0
