"""The one task description behind all targets: a command per shot, and what it needs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import RunConfig, deciding
from engine.errors import ConfigError, ExitCode
from engine.farm.needs import Needs
from engine.farm.shots import ShotTask
from engine.files.hashing import content_hash
from engine.runs.artefacts import is_intact, read_index
from engine.runs.inputs import read_inputs
from engine.runs.process import python_command
from engine.runs.registry import RunRecord, read_run
from engine.runs.workspace import read_settings

MOST_CHUNK = 8
"""Shots in a process where nobody says how many."""
NOT_RETRIED = {int(ExitCode.OK), int(ExitCode.USAGE), int(ExitCode.VALIDATION), int(ExitCode.INTERRUPTED)}
"""The same command would end the same way, or a person has stopped it."""


@dataclass(frozen=True)
class Submission:
    """A submission: its shots in their order, its folder and what each shot takes."""

    shots: tuple[ShotTask, ...]
    out: Path
    needs: Needs = field(default_factory=Needs)
    command: Callable[..., list[str]] | None = None
    """Command of shots by their numbers; None: our own. Another one stands in for it in tests of scale."""
    chunk: int = 1
    """Shots that one process does, one after another: what is read and imported once serves all of them."""
    given: Path | None = None
    """The list that the shots were read from; it is never written to."""

    def task(self, *numbers: int) -> list[str]:
        """The command of some shots, counted from 1. It may be repeated at any time: what is done is not done again."""
        if self.command is not None:
            return self.command(*numbers)
        chosen = ",".join(map(str, numbers))
        return python_command(
            "anymole_tui", *task_arguments(str(self.out / "shots.toml"), chosen, str(self.out))
        )

    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the shots, those of one process together."""
        numbers = range(1, len(self.shots) + 1)
        return tuple(tuple(numbers[i : i + self.chunk]) for i in range(0, len(numbers), self.chunk))

    def record(self, shot: ShotTask) -> RunRecord:
        """How a shot stands."""
        return read_run(shot.folder(self.out))


def good_chunk(shots: Sequence[ShotTask], needs: Needs, jobs: int) -> int:
    """So many shots per process that starting it counts for little, and that all processes end at about one time."""
    if needs.gpus or any(shot.config.engine == "video" or shot.config.video for shot in shots):
        return 1
    return max(1, min(MOST_CHUNK, len(shots) // (4 * jobs)))


def task_arguments(shot_list: str, numbers: str, out: str, progress: str = "none") -> list[str]:
    """Arguments of ``anymole`` for some shots; the texts may be placeholders of a template."""
    return ["shot", shot_list, "--number", numbers, "--out", out, "--progress", progress]


def is_current(shot: ShotTask, out: Path) -> bool:
    """Whether a shot is done with these settings, from sources that are as they were, and its result is intact.

    Found without USD, so that a list that is nearly done is gone through quickly.
    """
    folder = shot.folder(out)
    try:
        if read_run(folder).state != "done" or _deciding(read_settings(folder)) != _deciding(shot.config):
            return False
        inputs, index = read_inputs(folder), read_index(folder)
        return (
            bool(inputs)
            and "author" in index
            and is_intact(folder, index["author"])
            and all(content_hash(Path(file)) == digest for file, digest in inputs.items())
        )
    except (ConfigError, OSError):
        return False


def _deciding(config: RunConfig) -> dict[str, object]:
    """What decides the result, paths spelt alike."""
    return {
        name: os.path.abspath(value) if isinstance(value, str) and os.path.isabs(value) else value  # noqa: PTH100, PTH117
        for name, value in deciding(config).items()
    }


@dataclass(frozen=True)
class SubmissionSummary:
    """How a submission stands."""

    out: str
    total: int
    states: dict[str, int]
    """Number of shots by state; ``queued``: not begun."""
    percent: float
    failures: tuple[dict[str, object], ...]
    """``name``, ``exit_code`` and ``message`` of the shots that failed."""

    @property
    def exit_code(self) -> ExitCode:
        """0 when all shots are done."""
        return ExitCode.OK if self.states.get("done", 0) == self.total else ExitCode.FAILED


def summarise(shots: Sequence[ShotTask], out: Path) -> SubmissionSummary:
    """Read how every shot of a submission stands."""
    states: dict[str, int] = {}
    percent = 0.0
    failures: list[dict[str, object]] = []
    for shot in shots:
        record = read_run(shot.folder(out))
        state = "queued" if record.state == "unknown" else record.state
        states[state] = states.get(state, 0) + 1
        percent += 100.0 if state == "done" else record.percent or 0.0
        if state == "failed":
            failures.append({"name": shot.name, "exit_code": record.exit_code, "message": record.message})
    return SubmissionSummary(
        str(out), len(shots), states, round(percent / max(len(shots), 1), 1), tuple(failures)
    )
