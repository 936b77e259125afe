"""Numbers, plans and tables in words, the same in every face. Pure text: nothing here writes anywhere."""

import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from usd_io import counted, shown, timecode


def word(path: str) -> str:
    """A path as one word of a command that can be pasted into a shell, whatever its name is."""
    text = shown(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """A time span in its largest fitting unit."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}" if seconds >= 10 * unit else f"{seconds / unit:.1f} {name}"
    return f"{max(seconds, 0):.0f} s"


def day_and_time(at: float) -> str:
    """Seconds since 1970 as a local day and time; dashes where they are none."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return "----------  --:--:--"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Columns of text, those named to the left, the others to the right."""
    cells = [list(map(one_line, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(w) if i in left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def one_line(text: str) -> str:
    """Each printable as it is, everything else spelt out; long lines are kept whole."""
    return "".join(c if c.isprintable() else shown(c) for c in text)


def numbers(values: Sequence[float], most: int = 24) -> str:
    """Times as text; the middle of a long list is left out."""
    texts = [timecode(value) for value in values]
    if len(texts) > most:
        texts = [*texts[: most // 2], f"... {len(texts) - most} more ...", *texts[-most // 2 :]]
    return " ".join(texts)


def describe_plan(plan: Mapping[str, Any]) -> str:
    """A plan for people: context, keys and gaps in time codes."""
    contexts = ", ".join(f"{timecode(start)}..{timecode(end)}" for start, end in plan["contexts"]) or "none"
    frames = sum(len(gap["times"]) for gap in plan["gaps"])
    lines = [
        f"{plan['skeleton_path']}",
        f"  context  {contexts}",
        f"  keys     {numbers(plan['keys'])}",
        f"  gaps     {len(plan['gaps'])}, {counted(frames, 'frame')} to fill: {_gaps(plan['gaps'])}",
    ]
    if plan["locked"]:
        lines.append(f"  locked   {counted(len(plan['locked']), 'joint')} kept as authored")
    return "\n".join(lines)


def _gaps(gaps: Sequence[Mapping[str, Any]], most: int = 12) -> str:
    texts = [f"{timecode(gap['start'])}..{timecode(gap['end'])}" for gap in gaps[:most]]
    return " ".join(texts) + (f" and {len(gaps) - most} more" if len(gaps) > most else "")


def gap_words(number: int, gap: Any) -> str:
    """What a gap shows (:class:`usd_io.author.gaps.ShownGap`)."""
    what = f"take {gap.take}" if gap.take else "rejected, the source's own motion"
    good = ", accepted" if gap.accepted else ""
    return f"gap {number}, {timecode(gap.start)}..{timecode(gap.end)}: {what}{good}"
