"""Results as text for people; the numbers behind them are in ``--json``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from anymole_tui.wording import numbers, table
from engine.config import read_config
from engine.errors import SHOWN_ERRORS
from engine.evaluation.evaluate import Benchmark
from engine.evaluation.rows import Evaluation
from engine.inspection.report import SkeletonReport, StageReport
from engine.pipeline import RunResult
from engine.runs.workspace import SETTINGS
from usd_io.check.finding import Finding
from usd_io.errors import shown

MOST_GAPS = 8
"""Gaps that a report lists."""
TOUR = (
    "note: the tiny model is a tour of the method. Its confidence says nothing of quality and is not to be"
    " compared with the one of another model or engine"
)
STILL = 1e-5
"""Change of a joint's matrix that rounding explains."""
EXPECTED_RANGE = (0.5, 2.0)
"""True errors over those foretold, in about two of three gaps (docs/measurements.md)."""
WORTH_A_NOTE = 1.01
"""A result is called worse than a spline when its error is more than this times the spline's."""


def inspection(report: StageReport, *, joints: bool) -> str:
    """What ``inspect`` prints."""
    span = "no range" if report.start is None else f"{report.start:g}..{report.end:g}"
    lines = [
        shown(report.stage),
        f"  range    {span}, {report.frame_rate:g} frames/s, {report.time_codes_per_second:g} time codes/s",
        f"  units    {report.up_axis} up, {report.meters_per_unit:g} m",
        f"  layers   {len(report.layers)}",
        *(f"           {shown(layer)}" for layer in report.layers),
    ]
    for skeleton in report.skeletons:
        lines += ["", *_skeleton(skeleton, joints=joints)]
    lines += [f"warning: {warning}" for warning in report.warnings]
    return "\n".join(lines)


def _skeleton(skeleton: SkeletonReport, *, joints: bool) -> list[str]:
    dense = " ".join(f"{start:g}..{end:g}" for start, end in skeleton.dense) or "none"
    lines = [
        shown(skeleton.path) + (" (in an instance)" if skeleton.instanced else ""),
        f"  joints       {skeleton.joint_count}, {len(skeleton.unobservable)} without skin weight (unobservable)",
        f"  animation    {shown(skeleton.animation or 'none')}, {skeleton.sample_count} samples",
        f"  dense        {dense}",
        f"  sparse keys  {numbers(skeleton.sparse) or 'none'}",
    ]
    if skeleton.moving_xform:
        lines.append(f"  root motion  on the Xform {shown(skeleton.moving_xform)}; it is kept as it is")
    if joints:
        hidden = set(skeleton.unobservable)
        lines += [
            f"    {shown(joint)}{'  (unobservable)' if joint in hidden else ''}" for joint in skeleton.joints
        ]
    return lines + [f"  warning: {warning}" for warning in skeleton.warnings]


def _is_tour(result: RunResult) -> bool:
    """Whether a result was made by the video model that ships with the package."""
    with suppress(*SHOWN_ERRORS):
        return read_config(Path(result.run) / SETTINGS).model == "tiny"
    return False


def run_report(result: RunResult) -> str:
    """What ``run`` prints when it is done."""
    lines = [
        f"result  {shown(result.result)}",
        f"layer   {shown(result.layer)}",
        f"run     {shown(result.run)}",
        *([f"report  {shown(result.report)}"] if result.report else []),
    ]
    for path, scores in result.scores.items():
        lines += ["", shown(path), *_scores(scores)]
        if scores["prior"] == "video" and _is_tour(result):
            lines.append(f"  {TOUR}")
    if any(len(scores["takes"]) > 1 for scores in result.scores.values()):
        lines += ["", f"take 1 is shown; for another one: anymole take {shown(result.result)} N"]
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any]) -> list[str]:
    lines = [f"  {scores['frames']} frames filled; {_keys(scores)}"]
    if (scores.get("source") or {}).get("changed", 1) <= STILL:
        lines.append("  note: the result moves as the source does: nothing has changed")
    if scores["prior"] == "video":
        lines.append("  motion fitted to a video, from what the motion prior made; of the prior:")
    test = scores["self_test"]
    if test["expected_l2p"] is None:
        lines.append("  self-test: no context to hide a piece of, so no error can be foretold")
    else:
        ratios = ", ".join(f"{error['prior']} {error['ratio']:.2f}" for error in test["errors"])
        lines.append(
            f"  self-test on the context: L2P {test['expected_l2p']:.4f} to expect; over slerp: {ratios}"
        )
    lines += _distance(test["choices"])
    if scores["video_test"]:
        lines += _video_test(scores["video_test"])
    if scores["prior"] == "auto":
        lines += _gaps(test["choices"])
    lines += _confidence(scores["confidence"]) + _takes(scores["takes"])
    if scores["truth"]:
        lines += ["  against the true motion (lower is better):", *_truth(scores["truth"])]
        if scores["truth"][scores["prior"]]["l2p"] > WORTH_A_NOTE * scores["truth"]["spline"]["l2p"]:
            lines.append(
                "  note: this result is worse than a spline between the keys; --prior spline gives that one"
            )
    return lines


def _keys(scores: Mapping[str, Any]) -> str:
    """How the result compares with the source at the keys and in finished motion, as USD evaluates both."""
    found = scores.get("source")
    if not found:
        return f"largest key error {scores['key_error']:.1e} of the height"
    if found["exact"]:
        return "keys: exact"
    when = "" if found["time"] is None else f" at time code {found['time']:g}"
    return f"keys: up to {found['distance']:.2g} stage units off{when}, {found['unequal']} samples differ"


def _distance(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """How far off the joints are, in words that need no metric."""
    known = [choice for choice in choices if choice.get("expected_height_share") is not None]
    if not known:
        return []
    units = sum(choice["expected_distance"] for choice in known) / len(known)
    share = sum(choice["expected_height_share"] for choice in known) / len(known)
    least, most = EXPECTED_RANGE
    return [
        f"  half of the joints are expected within {least * units:.3g} to {most * units:.3g} units of the truth "
        f"({least * share:.1%} to {most * share:.1%} of the height)"
    ]


def _video_test(test: Mapping[str, Any]) -> list[str]:
    """What both engines did on the hidden piece of the context."""
    title = f"  both engines on {test['frames']} hidden frames of the context, {test['start']:g} to {test['end']:g}:"
    return [title, *_truth(test["errors"])]


def _confidence(summary: Mapping[str, Any] | None) -> list[str]:
    if summary is None:
        return []
    joints = ", ".join(
        f"{shown(entry['joint'].rsplit('/', 1)[-1])} {entry['confidence']:.2f}" for entry in summary["joints"]
    )
    frames = ", ".join(f"{entry['time']:g}" for entry in summary["frames"])
    return [
        f"  confidence {summary['mean']:.2f} of 1; least sure of the joints {joints}",
        f"  and of the frames at {frames}",
    ]


def _takes(takes: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(takes) == 1:
        return []
    lines = ["  takes:"]
    for number, take in enumerate(takes, start=1):
        truth = f", L2P {take['truth']['l2p']:.4f} from the truth" if take["truth"] else ""
        far = "the best estimate" if number == 1 else f"L2P {take['from_first']:.4f} from take 1"
        lines.append(f"    {number}: {far}{truth}; largest key error {take['key_error']:.1e}")
    return lines


def _gaps(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"  gap {c['start']:g}..{c['end']:g}: {_shares(c)}" for c in choices[:MOST_GAPS]]
    return lines + (
        [f"  and {len(choices) - MOST_GAPS} more gaps, see report.json"] if len(choices) > MOST_GAPS else []
    )


def _shares(choice: Mapping[str, Any]) -> str:
    """How a gap is filled: the share of every prior, the rest being slerp's."""
    weights = [(name, weight) for name, weight in choice["weights"] if weight > 0]
    rest = 1 - sum(weight for _, weight in weights)
    shares = [f"{name} {weight:.0%}" for name, weight in [*weights, ("slerp", rest)] if weight > 0.005]
    return f"{', '.join(shares)} ({choice['reason']})"


def _truth(truth: Mapping[str, Mapping[str, Any]]) -> list[str]:
    base = truth["slerp"]["l2p"]
    rows = [
        [
            name,
            f"{s['l2p']:.4f}",
            _ratio(s["l2p"], base),
            f"{s['l2q']:.4f}",
            f"{s['npss']:.4f}",
            f"{s['jerk_ratio']:.2f}",
        ]
        for name, s in truth.items()
    ]
    return [
        "    " + line for line in table(["prior", "L2P", "of slerp", "L2Q", "NPSS", "jerk"], rows).split("\n")
    ]


def findings_report(file: str, findings: Sequence[Finding]) -> str:
    """What ``check`` prints."""
    lines = []
    for finding in findings:
        place = " ".join(
            [
                *([shown(finding.prim)] if finding.prim else []),
                *([f"at {finding.time:g}"] if finding.time is not None else []),
            ]
        )
        lines.append(f"{finding.severity}: {finding.rule}{' ' + place if place else ''}: {finding.message}")
    counts = Counter(finding.severity for finding in findings)
    lines.append(f"{shown(file)}: {counts['error']} errors, {counts['warning']} warnings")
    return "\n".join(lines)


def evaluation_table(evaluation: Evaluation) -> str:
    """What ``evaluate`` prints of one skeleton."""
    header = ["prior", "L2P", "of slerp", "L2Q", "HL2Q", "NPSS", "jerk", "skate", "key error", "seconds"]
    rows = [
        [
            row.prior,
            f"{row.scores.l2p:.4f}",
            f"{row.l2p_ratio:.2f}",
            f"{row.scores.l2q:.4f}",
            f"{row.scores.hl2q:.4f}",
            f"{row.scores.npss:.4f}",
            f"{row.scores.jerk_ratio:.2f}",
            "-" if row.scores.foot_skate is None else f"{row.scores.foot_skate:.3f}",
            f"{row.scores.key_error:.0e}",
            f"{row.seconds:.2f}",
        ]
        for row in evaluation.rows
    ]
    if all(row.plane is not None for row in evaluation.rows):
        header += ["in plane", "along view"]
        for cells, row in zip(rows, evaluation.rows, strict=True):
            cells += [f"{row.plane:.4f}", f"{row.view:.4f}"]
    title = f"{shown(evaluation.skeleton)}: {evaluation.frames} frames in {evaluation.gaps} gaps"
    return f"{title}\n{table(header, rows)}"


def benchmark_table(result: Benchmark) -> str:
    """What ``benchmark`` prints: L2P per case as a ratio to slerp, then the summary."""
    names = [summary.prior for summary in result.summaries]
    header = ["case", "slerp L2P", *names[1:]]
    rows = [
        [
            case.id + (" (calm)" if case.calm else ""),
            f"{evaluation.rows[0].scores.l2p:.4f}",
            *(
                f"{row.scores.l2p - evaluation.rows[0].scores.l2p:+.4f}"
                if case.calm
                else f"{row.l2p_ratio:.2f}"
                for row in evaluation.rows[1:]
            ),
        ]
        for case, evaluation in result.cases
    ]
    return f"{table(header, rows)}\n\n{_summaries(result)}"


def _summaries(result: Benchmark) -> str:
    header = ["prior", "mean", "worst", "calm", "L2Q", "NPSS", "key error", "seconds", "worst case"]
    rows = [
        [
            s.prior,
            f"{s.mean_ratio:.3f}",
            f"{s.worst_ratio:.3f}",
            f"{s.calm_difference:+.4f}",
            f"{s.mean_l2q_ratio:.3f}",
            f"{s.mean_npss_ratio:.3f}",
            f"{s.largest_key_error:.0e}",
            f"{s.seconds:.1f}",
            s.worst_case,
        ]
        for s in result.summaries
    ]
    return f"Over slerp (calm: largest L2P above slerp's)\n{table(header, rows)}"


def _ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}" if b > 0 else "-"
