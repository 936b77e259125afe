"""A plan line by line: what is known, every gap with the error to expect in it, and warnings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.wording import numbers
from usd_io import counted, timecode

LONGEST = 400


@dataclass(frozen=True)
class _PlanLine:
    text: str
    style: str = ""
    time: float | None = None
    """Where a gap begins."""


class GapTable(Rows):
    """The plan; a gap leads to its time."""

    TITLE = "Plan"
    EMPTY = UNREAD = "planning ..."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[_PlanLine] = []

    def tell(
        self,
        plans: tuple[Mapping[str, Any], ...],
        notes: tuple[str, ...],
        tests: Mapping[str, Mapping[str, Any]] | None,
        rate: float,
        why: str = "",
    ) -> None:
        """Show plans.

        Args:
            plans: One per skeleton (:class:`engine.planning.plan.Plan` as plain values).
            notes: What was left out, and why.
            tests: Self-tests by skeleton path as plain values; None while they are made.
            rate: Time codes per second.
            why: Why there are no self-tests; empty where there are, or will be.
        """
        rows: list[_PlanLine] = []
        for plan in plans:
            rows += _plan_rows(plan, None if tests is None else tests.get(plan["skeleton_path"]), rate, why)
        rows += [_PlanLine(f"note: {note}", "dim") for note in notes]
        self._show(rows)

    def refuse(self, why: str) -> None:
        """Show why there is no plan."""
        self._show(
            [
                _PlanLine("no plan yet", "bold $warning"),
                *(_PlanLine(line, "$warning") for line in _wrapped(why, 60)),
            ]
        )

    def _show(self, rows: list[_PlanLine]) -> None:
        self._rows = rows
        self.rows_changed()

    def time(self, index: int) -> float | None:
        """The begin of the gap in a row."""
        return self._rows[index].time if index < len(self._rows) else None

    def row_count(self) -> int:
        return len(self._rows)

    def row(self, index: int, width: int) -> Content:
        row = self._rows[index]
        text = plain(row.text, LONGEST, ascii_only=getattr(self.app, "ascii", False))
        return Content.styled(text, row.style) if row.style else Content(text)


def _plan_rows(
    plan: Mapping[str, Any], test: Mapping[str, Any] | None, rate: float, why: str
) -> list[_PlanLine]:
    contexts = ", ".join(f"{timecode(start)}..{timecode(end)}" for start, end in plan["contexts"]) or "none"
    frames = sum(len(gap["times"]) for gap in plan["gaps"])
    rows = [
        _PlanLine(str(plan["skeleton_path"]), "bold"),
        _PlanLine(f"  context   {contexts}"),
        _PlanLine(f"  keys      {numbers(plan['keys'])}"),
        _PlanLine(f"  to fill   {counted(frames, 'frame')} in {counted(len(plan['gaps']), 'gap')}"),
        _PlanLine(
            f"  expected  {f'n/a: {why}' if why else expected_words(test)}",
            "$warning" if why else "$accent" if test and test["pieces"] else "dim",
        ),
    ]
    if plan["locked"]:
        rows.append(
            _PlanLine(f"  locked    {counted(len(plan['locked']), 'joint')} kept as authored", "$warning")
        )
    for warning in plan["warnings"]:
        rows += [_PlanLine(f"  {line}", "$warning") for line in _wrapped(f"warning: {warning}", 70)]
    rows.append(_PlanLine(f"  {'gap':>17} {'frames':>7} {'seconds':>8} {'expected L2P':>13}", "dim"))
    # the stage may have been saved between the plan and its self-test: then they differ in their gaps
    choices = {(choice["start"], choice["end"]): choice for choice in (test or {}).get("choices", ())}
    for gap in plan["gaps"]:
        choice = choices.get((gap["start"], gap["end"]))
        error = choice["expected_l2p"] if choice else None
        shown = "..." if test is None and not why else "n/a" if error is None else f"{error:.4f}"
        span = f"{timecode(gap['start'])}..{timecode(gap['end'])}"
        seconds = (gap["end"] - gap["start"]) / rate
        rows.append(
            _PlanLine(
                f"  {span:>17} {len(gap['times']):>7} {seconds:>8.2f} {shown:>13}", "", float(gap["start"])
            )
        )
    return rows


def expected_words(test: Mapping[str, Any] | None) -> str:
    """What a self-test says, in a few words."""
    if test is None:
        return "being tried on hidden pieces of the context ..."
    if test["expected_l2p"] is None:
        return "n/a: no context to hide pieces of"
    if test["expected_ratio"] is None:  # poses are held in all gaps
        return f"L2P {test['expected_l2p']:.4f}"
    if test.get("still"):
        return f"L2P {test['expected_l2p']:.4f}; the context stands still and tells little"
    ratio = test["expected_ratio"]
    return (
        f"L2P {test['expected_l2p']:.4f}, {ratio:.2f} of slerp on {counted(test['pieces'], 'hidden piece')}"
    )


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, subsequent_indent="  ") or [""]
