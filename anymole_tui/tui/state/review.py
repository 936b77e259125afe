"""Gap by gap: what of a result is accepted, rejected or to be another take, with all steps back and on again."""

from collections.abc import Sequence
from dataclasses import replace

from usd_io import SOURCE, ShownGap

MOST_STEPS = 1000


class Review:
    """What every gap shows, and what it showed before."""

    def __init__(self, gaps: Sequence[ShownGap], takes: int) -> None:
        """The gaps as they are, and how many takes there are."""
        self.gaps = tuple(gaps)
        self._takes = takes
        self._before: list[tuple[ShownGap, ...]] = []
        self._after: list[tuple[ShownGap, ...]] = []

    def place(self, skeleton_path: str, gap: tuple[float, float] | None) -> int | None:
        """Number of a gap, counted from 0."""
        wanted = None if gap is None else (skeleton_path, *gap)
        found = [(g.skeleton_path, g.start, g.end) for g in self.gaps]
        return found.index(wanted) if wanted in found else None

    def accept(self, place: int) -> None:
        """The gap is good as it is, or, where it was rejected, its first take; once more: it is to be looked at
        again."""
        gap = self.gaps[place]
        take = 1 if gap.take == SOURCE else gap.take
        self._change(place, replace(gap, take=take, accepted=not gap.accepted))

    def reject(self, place: int) -> None:
        """The gap falls back to the source; once more: to the first take."""
        gap = self.gaps[place]
        self._change(place, replace(gap, take=1 if gap.take == SOURCE else SOURCE, accepted=False))

    def another(self, place: int) -> None:
        """The next take, for this gap alone."""
        gap = self.gaps[place]
        self._change(place, replace(gap, take=gap.take % self._takes + 1, accepted=False))

    def _change(self, place: int, gap: ShownGap) -> None:
        if gap != self.gaps[place]:
            self._before = [*self._before[-MOST_STEPS:], self.gaps]
            self._after.clear()
            self.gaps = (*self.gaps[:place], gap, *self.gaps[place + 1 :])

    def undo(self) -> bool:
        """A step back; False where there is none."""
        return self._step(self._before, self._after)

    def redo(self) -> bool:
        """A step on again; False where there is none."""
        return self._step(self._after, self._before)

    def _step(self, source: list[tuple[ShownGap, ...]], other: list[tuple[ShownGap, ...]]) -> bool:
        if source:
            other.append(self.gaps)
            self.gaps = source.pop()
            return True
        return False

    def words(self, place: int) -> str:
        """A gap in a few words."""
        gap = self.gaps[place]
        shows = f"take {gap.take}" if gap.take else "rejected: the source"
        return f"gap {place + 1} of {len(self.gaps)}: {shows}{', accepted' if gap.accepted else ''}"

    def counts(self) -> str:
        """How far the review is."""
        accepted = sum(gap.accepted for gap in self.gaps)
        rejected = sum(gap.take == SOURCE for gap in self.gaps)
        return f"{accepted} accepted, {rejected} rejected, {len(self.gaps) - accepted - rejected} open"
