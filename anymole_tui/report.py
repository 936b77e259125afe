"""Results as text for people; the numbers behind them are in ``--json``."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anymole_tui.wording import numbers, table
from usd_io import counted, shown, timecode

if TYPE_CHECKING:
    from engine import StageReport
    from engine.evaluation import Benchmark, Evaluation
    from engine.inspection import SkeletonReport
    from usd_io import Finding


def inspection(report: "StageReport", *, joints: bool) -> str:
    """What ``inspect`` prints."""
    span = (
        "no range"
        if report.start is None or report.end is None
        else f"{timecode(report.start)}..{timecode(report.end)}"
    )
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


def _skeleton(skeleton: "SkeletonReport", *, joints: bool) -> list[str]:
    dense = " ".join(f"{timecode(start)}..{timecode(end)}" for start, end in skeleton.dense) or "none"
    lines = [
        shown(skeleton.path) + (" (in an instance)" if skeleton.instanced else ""),
        f"  joints       {skeleton.joint_count}, {len(skeleton.unobservable)} without skin weight (unobservable)",
        f"  animation    {shown(skeleton.animation or 'none')}, {counted(skeleton.sample_count, 'sample')}",
        f"  dense        {dense}",
        f"  keys         {numbers(skeleton.keys) or 'none'}",
    ]
    if skeleton.moving_xform:
        lines.append(f"  root motion  on the Xform {shown(skeleton.moving_xform)}; it is kept as it is")
    if joints:
        hidden = set(skeleton.unobservable)
        lines += [
            f"    {shown(joint)}{'  (unobservable)' if joint in hidden else ''}" for joint in skeleton.joints
        ]
    return lines + [f"  warning: {warning}" for warning in skeleton.warnings]


def findings_report(file: str, findings: "Sequence[Finding]") -> str:
    """What ``check`` prints."""
    lines = []
    for finding in findings:
        place = " ".join(
            [
                *([shown(finding.prim)] if finding.prim else []),
                *([f"at {timecode(finding.time)}"] if finding.time is not None else []),
            ]
        )
        lines.append(f"{finding.severity}: {finding.rule}{' ' + place if place else ''}: {finding.message}")
    counts = Counter(finding.severity for finding in findings)
    lines.append(f"{shown(file)}: {counts['error']} errors, {counts['warning']} warnings")
    return "\n".join(lines)


def evaluation_table(evaluation: "Evaluation") -> str:
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


def benchmark_table(result: "Benchmark") -> str:
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


def _summaries(result: "Benchmark") -> str:
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
