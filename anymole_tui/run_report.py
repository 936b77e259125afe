"""What a run has to say when it is done: a line for each thing that an animator asks; metrics by name on request."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from anymole_tui.wording import numbers, table, word
from engine import SHOWN_ERRORS, RunResult
from engine.report import NOTHING, TOUR, about, in_full, joint_error, length
from engine.runs import read_settings
from usd_io import counted, shown, timecode

MOST_GAPS = 8
"""Gaps that are listed."""
MOST_KEYS = 6
"""Keys of some channels alone that are named."""
MOST_JOINTS = 3
"""Joints that a line names."""
STILL = 1e-5
"""Change of a joint's matrix that rounding explains."""
UNCHANGED = 1e-6
"""Mean way of the joints from the prior's guess [heights] below which a video was not followed."""
EARLIER_RANGE = (0.5, 2.0)
"""True errors over expected ones in two of three gaps, for runs of versions that expected errors from trials alone and
kept no range (docs/measurements.md); runs of now keep :data:`engine.priors.self_test.EXPECTED_RANGE`."""
WORTH_A_NOTE = 1.01
"""A result is called worse than a spline when its error is more than this times the spline's."""
ALIKE = 0.01
"""Errors that differ by less than this part of slerp's are called alike."""
STANDS_STILL = "not known: the finished motion stands still where it was tried, and tells little"


def run_report(result: RunResult, *, metrics: bool = False) -> str:
    """What ``run`` prints when it is done.

    Args:
        result: Of the run.
        metrics: Add the figures by the names of the field: L2P, L2Q, NPSS, shares of the priors, confidence.
    """
    lines = [
        *_figures(result),
        "",
        _row("result", shown(str(Path(result.run) / Path(result.result).name))),
    ]
    for path in result.previews:
        if path.endswith((".mp4", ".png")):
            lines.append(_row("preview", shown(path)))
            break
    if result.report:
        lines.append(
            _row(
                "report",
                f"{shown(result.report)}  (any browser; over SSH: anymole view {word(result.run)})",
            )
        )
    viewers = "or the result in usdview, Blender, Houdini, Maya"
    lines.append(_row("open it", f"anymole {word(result.run)}  (in the terminal); {viewers}"))
    if any(len(scores["takes"]) > 1 for scores in result.scores.values()):
        lines.append(
            _row("takes", f"to see which is shown, or to show another: anymole take {word(result.run)} N")
        )
    if metrics:
        lines += _metrics(result)
    else:
        lines.append(
            _row("more", f"anymole attach {word(result.run)} --metrics  (L2P, L2Q, NPSS, confidence)")
        )
    return "\n".join(lines)


def _figures(result: RunResult) -> list[str]:
    """What is known of the result of every skeleton, in words."""
    plans = {str(plan["skeleton_path"]): plan for plan in result.plan}
    lines: list[str] = []
    for path, scores in result.scores.items():
        if len(result.scores) > 1:
            lines += ([""] if lines else []) + [shown(path)]
        lines += _in_words(scores, plans.get(path))
        if scores["prior"] == "video" and _is_tour(result):
            lines.append(f"note: {TOUR}")
    return lines


def _metrics(result: RunResult) -> list[str]:
    """The figures of every skeleton by name."""
    lines: list[str] = []
    for path, scores in result.scores.items():
        lines += ["", *([shown(path)] if len(result.scores) > 1 else []), *_by_name(scores)]
    return lines


def _row(name: str, text: str) -> str:
    return f"{name:<9}{text}"


def _in_words(scores: Mapping[str, Any], plan: Mapping[str, Any] | None) -> list[str]:
    """One line for each thing that an animator asks."""
    lines = [_row("filled", _filled(scores, plan)), _row("keys", _keys(scores, plan))]
    truth, test = scores["truth"], scores["self_test"]
    if truth:
        lines += _against_truth(scores)
    if test["expected_l2p"] is not None:
        lines.append(_row("expected", _expected(scores)))
        if not truth and test["expected_ratio"] is not None:
            tested = f"{_gain(test['expected_ratio'])}, on pieces of the shot's own motion that were hidden"
            lines.append(_row("gain", STANDS_STILL if test.get("still") else tested))
    elif not truth:
        short = "too little" if plan and plan["contexts"] else "no"
        lines.append(
            _row("expected", f"not known: there is {short} finished motion to hide a piece of and try")
        )
    lines += _changed(scores) + _look_at(scores)
    if (scores.get("source") or {}).get("changed", 1) <= STILL:
        lines.append("note: the result moves as the source does: nothing has changed")
    if truth and truth[scores["prior"]]["l2p"] > WORTH_A_NOTE * truth["spline"]["l2p"]:
        lines.append(
            "note: this result is worse than a spline between the keys; --prior spline gives that one"
        )
    return lines


def _changed(scores: Mapping[str, Any]) -> list[str]:
    """What the video changed of the motion prior's guess."""
    if not scores.get("changed"):
        return []
    joints = ", ".join(
        f"{shown(entry['joint'].rsplit('/', 1)[-1])} {entry['change']:.1%}"
        for entry in scores["changed"]["joints"][:MOST_JOINTS]
    )
    mean = scores["changed"]["mean"]
    if _is_prior_kept(scores):
        return [_row("video", "not followed: the motion is the prior's")]
    return [_row("video", f"moved joints by {mean:.1%} of the height from the prior's guess, most {joints}")]


def _filled(scores: Mapping[str, Any], plan: Mapping[str, Any] | None) -> str:
    text = counted(scores["frames"], "frame")
    if plan:
        gaps = plan["gaps"]
        text += (
            f" in {counted(len(gaps), 'gap')}, {timecode(gaps[0]['start'])} to {timecode(gaps[-1]['end'])}"
            if gaps
            else ""
        )
    if _is_prior_kept(scores):
        return text + ", as the motion prior has them"
    return text + (", fitted to a video" if scores["prior"] == "video" else "")


def _is_prior_kept(scores: Mapping[str, Any]) -> bool:
    """Whether a video was looked at that did not show the motion."""
    changed = scores.get("changed")
    return scores["prior"] == "video" and changed is not None and changed["mean"] < UNCHANGED


def _keys(scores: Mapping[str, Any], plan: Mapping[str, Any] | None) -> str:
    """How the result compares with the source at the keys and in finished motion, as USD evaluates both."""
    found, many = scores.get("source"), f"all {len(plan['keys'])} " if plan else ""
    if found and found["exact"]:
        also = ", and the finished motion with them" if plan and plan["contexts"] else ""
        return f"exact: {many}kept to the last bit{_in_part(plan)}{also}{_filled_too(plan)}"
    if found:
        when = "" if found["time"] is None else f" at time code {timecode(found['time'])}"
        return (
            f"up to {found['distance']:.2g} stage units off{when}, in {counted(found['unequal'], 'sample')}"
        )
    if scores["key_error"] == 0:
        return f"exact: {many}kept to the last bit{_in_part(plan)}"
    return _key_error(scores["key_error"])


def _in_part(plan: Mapping[str, Any] | None) -> str:
    """Keys at which some channel is filled: what is compared there are the samples of the others."""
    gaps = [gap for own in (plan or {}).get("channels", {}).values() for gap in own["gaps"]]
    keys = [key for key in (plan or {}).get("keys", ()) if any(g["start"] < key < g["end"] for g in gaps)]
    more = f" and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
    named = ", ".join(timecode(key) for key in keys[:MOST_KEYS])
    return f" ({named}{more}: of the channels that are keyed there)" if keys else ""


def _filled_too(plan: Mapping[str, Any] | None) -> str:
    """Channels that are filled within the finished motion of the others."""
    channels = (plan or {}).get("channels", {})
    apart = [channel for channel, own in channels.items() if own["gaps"] and own["contexts"] is not None]
    return f", but for {' and '.join(apart)}, filled between keys of their own" if apart else ""


def _key_error(error: float) -> str:
    """How far off the keys a motion is."""
    return "exact" if error == 0 else f"up to {error:.1e} of the height off"


def _against_truth(scores: Mapping[str, Any]) -> list[str]:
    """How far off, and how much better than slerp, where the truth is known."""
    truth = scores["truth"]
    ours, slerp = truth[scores["prior"]]["l2p"], truth["slerp"]["l2p"]
    gain = [_row("gain", f"{_gain(ours / slerp)}, which is {_about(scores, slerp)}")] if slerp > 0 else []
    return [_row("error", f"a joint is {_in_full(scores, ours)} from the true motion"), *gain]


def _gain(ratio: float) -> str:
    if abs(1 - ratio) < ALIKE:
        return "as far off as slerp"
    return f"{100 * abs(1 - ratio):.0f} % {'closer' if ratio < 1 else 'further off'} than slerp"


def _expected(scores: Mapping[str, Any]) -> str:
    """The expected error, with its range."""
    test, joints = scores["self_test"], scores["joints"]
    text = f"a joint {_in_full(scores, test['expected_l2p'])}"
    errors = [joint_error(bound, joints) for bound in expected_range(test["choices"], test["expected_l2p"])]
    if errors[1] < NOTHING:
        return text
    low, high = (length(error * scores["height"], scores["meters_per_unit"]) for error in errors)
    return f"{text}; in two of three gaps {low} to {high}"


def expected_range(choices: Sequence[Mapping[str, Any]], expected: float) -> tuple[float, float]:
    """Between which errors the true one is expected [heights, as L2P]: as the run says, else as measured. The mean of
    all frames lies between them as that of a gap does in its own range, however long the gaps are."""
    known = [choice.get("expected_range") for choice in choices]
    ranges = [(float(pair[0]), float(pair[1])) for pair in known if pair]
    means = sum(float(choice["expected_l2p"]) for choice in choices if choice.get("expected_l2p") is not None)
    if len(ranges) == len(choices) and means > 0:
        low, high = (sum(bound) / means for bound in zip(*ranges, strict=True))
    else:
        low, high = EARLIER_RANGE
    return low * expected, high * expected


def _look_at(scores: Mapping[str, Any]) -> list[str]:
    """The gap of which least is known, where it stands out among several."""
    known = [c for c in scores["self_test"]["choices"] if c["expected_l2p"] is not None]
    if len(known) < 2:
        return []
    worst = max(known, key=lambda choice: choice["expected_l2p"])
    if worst["expected_l2p"] <= min(choice["expected_l2p"] for choice in known):
        return []
    return [
        _row(
            "look at",
            f"{timecode(worst['start'])} to {timecode(worst['end'])} first: {_about(scores, worst['expected_l2p'])} "
            "expected there",
        )
    ]


def _about(scores: Mapping[str, Any], l2p: float) -> str:
    """``slerp``'s error or another one in the length one knows."""
    return about(joint_error(l2p, scores["joints"]), scores["height"], scores["meters_per_unit"])


def _in_full(scores: Mapping[str, Any], l2p: float) -> str:
    return f"{_about(scores, l2p)} ({in_full(joint_error(l2p, scores['joints']), scores['height'])})"


def _is_tour(result: RunResult) -> bool:
    """Whether a result was made by the video model that ships with the package."""
    with suppress(*SHOWN_ERRORS):
        settings = read_settings(Path(result.run))
        return settings.video_choice.model == "tiny" and not settings.video
    return False


def _by_name(scores: Mapping[str, Any]) -> list[str]:
    """The figures by the names of the field."""
    test, lines = scores["self_test"], []
    if scores["prior"] == "video":
        lines.append("of the motion prior that the fit to the video began with:")
    if test["expected_l2p"] is None:
        lines.append("self-test: no context to hide a piece of; expected error unknown")
    else:
        ratios = ", ".join(f"{error['prior']} {error['ratio']:.2f}" for error in test["errors"])
        over = f"over slerp {STANDS_STILL}" if test.get("still") else f"over slerp: {ratios}"
        lines.append(f"self-test on the context: L2P {test['expected_l2p']:.4f} to expect; {over}")
    if scores["video_test"]:
        lines += _video_test(scores["video_test"])
    if scores["prior"] == "auto":
        lines += _gaps(test["choices"])
    lines += _confidence(scores["confidence"]) + _takes(scores["takes"])
    if scores["truth"]:
        lines += [
            "against the true motion (L2P, L2Q, NPSS: 0 is best; jerk: 1 is the truth's):",
            *_truth(scores["truth"]),
        ]
    return lines


def _video_test(test: Mapping[str, Any]) -> list[str]:
    """What both engines did on the hidden piece of the context."""
    span = f"{timecode(test['start'])} to {timecode(test['end'])}"
    title = f"both engines on {test['frames']} hidden frames of the context, {span}:"
    return [title, *_truth(test["errors"])]


def _confidence(summary: Mapping[str, Any] | None) -> list[str]:
    if summary is None:
        return []
    joints = ", ".join(
        f"{shown(name)} {entry['confidence']:.2f}"
        for name, entry in zip(
            _told_apart([e["joint"] for e in summary["joints"]]), summary["joints"], strict=True
        )
    )
    frames = numbers([entry["time"] for entry in summary["frames"]])
    return [
        f"confidence {summary['mean']:.2f} of 1; least sure of the joints {joints}",
        f"and of the frames at {frames}",
    ]


def _told_apart(joints: Sequence[str]) -> list[str]:
    """The ends of joint paths, as long as tells each from the others."""
    paths = [joint.split("/") for joint in dict.fromkeys(joints)]
    names = {}
    for path in paths:
        rivals = [other for other in paths if other is not path]
        depths = range(1, len(path))
        depth = next((n for n in depths if all(path[-n:] != other[-n:] for other in rivals)), len(path))
        names["/".join(path)] = "/".join(path[-depth:])
    return [names[joint] for joint in joints]


def _takes(takes: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(takes) == 1:
        return []
    lines = ["takes:"]
    for number, take in enumerate(takes, start=1):
        truth = f", L2P {take['truth']['l2p']:.4f} from the truth" if take["truth"] else ""
        far = "the best estimate" if number == 1 else f"L2P {take['from_first']:.4f} from take 1"
        lines.append(f"  {number}: {far}{truth}; keys: {_key_error(take['key_error'])}")
    return lines


def _gaps(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """How gaps are filled, those that are filled alike in one line."""
    folded = [(text, list(alike)) for text, alike in groupby(choices, _shares)]
    lines = [f"{_spans(alike)}: {text}" for text, alike in folded[:MOST_GAPS]]
    more = sum(len(alike) for _, alike in folded[MOST_GAPS:])
    return lines + ([f"and {counted(more, 'more gap')}, see report.json"] if more else [])


def _spans(alike: Sequence[Mapping[str, Any]]) -> str:
    first, last = alike[0], alike[-1]
    if len(alike) == 1:
        return f"gap {timecode(first['start'])}..{timecode(first['end'])}"
    return f"{len(alike)} gaps, {timecode(first['start'])}..{timecode(last['end'])}"


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
            f"{s['l2p'] / base:.2f}" if base > 0 else "-",
            f"{s['l2q']:.4f}",
            f"{s['npss']:.4f}",
            f"{s['jerk_ratio']:.2f}",
        ]
        for name, s in truth.items()
    ]
    return [
        "  " + line for line in table(["prior", "L2P", "of slerp", "L2Q", "NPSS", "jerk"], rows).split("\n")
    ]
