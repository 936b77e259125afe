"""Stages as values: what goes in, how the outcome is made of it, and where it is kept and found again.

The key of an outcome is the hash of the inputs, which are all that making it gets; so a stage is done again when, and
only when, something that goes into it has changed. What comes next always gets the outcome as it was read back from its
file, so that it does not matter whether it was made now or earlier.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from engine.config import RunConfig
from engine.errors import DataError
from engine.files.hashing import content_hash
from engine.files.json_values import read_json
from engine.progress import Progress
from engine.runs.workspace import ARTEFACTS, Workspace

LARGEST_JSON = 256 << 20
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, DataError)
"""What loading a file raises that another version wrote: intact, and yet of no use here."""
Inputs = TypeVar("Inputs")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, eq=False)
class StageWork:
    """Where a stage at work reports, and where it may write; nothing here decides its outcome."""

    progress: Progress
    folder: Path
    """For files that people open."""
    artefacts: Path
    """For files that only later stages read."""
    checkpoints: Callable[[], Path]
    """Makes a folder for the state of long work on these inputs; dropped once the outcome is kept."""
    claim: Callable[[Path], None]
    """Called with every file of the run folder before it is written; raises where it is of others."""


@dataclass(frozen=True, eq=False)
class Stage(Generic[Inputs, Outcome]):
    """A stage whose outcome is one file."""

    name: str
    """Of the stage: of a file of :mod:`engine.stages`."""
    inputs: Inputs
    """A dataclass; fields that do not decide the outcome, as handles and places, are ``field(compare=False)``."""
    make: Callable[[Inputs, StageWork], Outcome]
    save: Callable[[Path, Outcome], Any]
    load: Callable[[Path], Outcome]
    """What it raises of :data:`UNREADABLE` has the outcome made again."""
    file: str
    """Its name below ``artefacts``."""


@dataclass(frozen=True, eq=False)
class FileStage(Generic[Inputs]):
    """A stage that writes files into the run folder, whole; its outcome are their paths."""

    name: str
    inputs: Inputs
    make: Callable[[Inputs, StageWork], Sequence[Path]]
    confirmed: bool = False
    """``make`` itself makes sure that the files of the source are still as they were hashed."""


class StageCache:
    """Gives a stage its outcome: from the run folder, or by making it."""

    def __init__(self, workspace: Workspace, progress: Progress, folder: Path, below: str = "") -> None:
        """Args:
        workspace: The run folder.
        progress: Reports stages whose outcome is reused.
        folder: Where files for people go.
        below: Path with a closing slash below ``artefacts``, for work aside; empty: none.
        """
        self._workspace, self._progress, self._folder, self._below = workspace, progress, folder, below
        self._reused: list[bool] = []

    def beside(self, name: str, progress: Progress) -> "StageCache":
        """A cache for work aside, which keeps all its files in a folder of their own."""
        below = f"{self._below}{name}/"
        return StageCache(self._workspace, progress, self._workspace.folder / ARTEFACTS / below, below)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report the start and the end of a stage, and whether all its outcomes were there."""
        self._reused = []
        with self._progress.stage(name):
            yield
            if self._reused and all(self._reused):
                self._progress.reused()

    def get(self, stage: Stage[Any, Outcome]) -> Outcome:
        """The outcome of a stage."""
        key = _key(stage)
        name = self._below + stage.file
        found = self._workspace.stored(name, key)
        if found is not None:
            with suppress(*UNREADABLE):
                outcome = stage.load(found[0])
                self._reused.append(True)
                self._workspace.drop_checkpoints(self._below + stage.name)
                return outcome
        self._reused.append(False)
        made = stage.make(stage.inputs, self._work(stage, key))
        path = self._workspace.keep_file(name, key, lambda temporary: stage.save(temporary, made))
        del made  # of a long clip, its room is that of what is read back
        self._workspace.drop_checkpoints(self._below + stage.name)
        return stage.load(path)

    def files(self, stage: FileStage[Any]) -> tuple[Path, ...]:
        """The files of a stage."""
        key = _key(stage)
        name = self._below + stage.name
        found = self._workspace.stored(name, key)
        self._reused.append(found is not None)
        if found is None:
            found = tuple(stage.make(stage.inputs, self._work(stage, key)))
            self._workspace.keep(name, key, found, confirmed=stage.confirmed)
            self._workspace.drop_checkpoints(name)
        return found

    def _work(self, stage: Stage[Any, Any] | FileStage[Any], key: str) -> StageWork:
        return StageWork(
            self._progress,
            self._folder,
            self._workspace.folder / ARTEFACTS / self._below,
            lambda: self._workspace.checkpoint_dir(self._below + stage.name, key),
            lambda path: self._workspace.claim(path.relative_to(self._workspace.folder).as_posix()),
        )


@dataclass(frozen=True, eq=False)
class RunContext:
    """What every part of a run is given."""

    config: RunConfig
    cache: StageCache
    progress: Progress


def _key(stage: Stage[Any, Any] | FileStage[Any]) -> str:
    return content_hash({"version": version("anymole"), "stage": stage.name, "inputs": stage.inputs})


def save_json(path: Path, value: object) -> None:
    """Write an outcome of plain values."""
    path.write_text(json.dumps(value, default=str), encoding="utf-8")


def load_json(path: Path) -> Any:
    """Read what :func:`save_json` wrote."""
    return read_json(path, LARGEST_JSON)
