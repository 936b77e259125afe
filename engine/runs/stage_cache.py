"""The outputs of a run's stages, kept with the hash of what went into them and reused when that is the same.

Each stage is hashed over the run's inputs and over the contents of all that the stages before it made, so that a
change anywhere makes everything behind it anew.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engine.files.arrays import load_arrays, save_arrays
from engine.files.hashing import content_hash
from engine.files.json_values import from_plain, read_json
from engine.priors.fill import Filled, Parts
from engine.priors.self_test import SelfTest
from engine.progress import Progress
from engine.runs.workspace import ARTEFACTS, Workspace
from usd_io.model import Motion

LARGEST_JSON = 256 << 20
T = TypeVar("T")
_ARRAYS = ("times", "translations", "rotations", "scales", "T_world_skel", "animated", "blend_weights")
_CHANNELS = ("translations", "rotations", "scales")
"""What takes differ in."""


class Store:
    """Gives a stage its outputs: from the run folder, or by making them."""

    def __init__(self, workspace: Workspace, progress: Progress, **inputs: Any) -> None:
        """Args:
        workspace: The run folder.
        progress: Told of stages that are taken from before.
        inputs: Plain values that decide the results of all stages.
        """
        self._workspace, self._progress = workspace, progress
        self._chain = [content_hash(inputs)]
        self._below = ""

    def beside(self, name: str, progress: Progress, **inputs: Any) -> "Store":
        """A store for work aside: it rests on what was made so far, keeps its outputs in a folder of their own, and
        what comes later here does not depend on it."""
        aside = Store(self._workspace, progress, before=self._chain, **inputs)
        aside._below = f"{self._below}{name}/"
        return aside

    @property
    def folder(self) -> Path:
        """Where outputs lie."""
        return self._workspace.folder / ARTEFACTS / self._below

    def json(self, stage: str, make: Callable[[], T], *, tell: bool = True, **more: Any) -> T:
        """An output of plain values; ``more`` decides it beside what came before. Without ``tell`` its being of an
        earlier run says nothing of the stage at work."""

        def save(path: Path, value: T) -> None:
            path.write_text(json.dumps(value, default=str), encoding="utf-8")

        return self._one(stage, f"{stage}.json", make, save, _load_json, more, tell=tell)

    def fills(self, made: Sequence[tuple[Callable[[], Filled], Callable[[], Parts]]]) -> tuple[Filled, ...]:
        """Outputs of *fill*, one per skeleton: how to make each, and its parts, which are read and not kept."""
        before, filled, reused = tuple(self._chain), [], True
        for index, (make, parts) in enumerate(made):
            name, key = (
                f"{self._below}fill-{index}.npz",
                content_hash({"stage": "fill", "index": index, "before": before}),
            )
            reused = reused and self._workspace.stored(name, key) is not None
            load = _loader(parts)
            filled.append(self._workspace.reuse(name, key, make, save_filled, load))
            self._chain.append(self._workspace.digest(name))
            self._progress.step(index + 1, len(made))
        if reused:
            self._progress.reused()
        return tuple(filled)

    def files(self, stage: str, make: Callable[[], Sequence[Path]], **more: Any) -> tuple[Path, ...]:
        """An output of files that the stage itself writes into the run folder, whole."""
        key = _key(stage, self._chain, more)
        entry = f"{self._below}{stage}"
        found = self._workspace.stored(entry, key)
        if found is None:
            found = tuple(make())
            self._workspace.keep(entry, key, found)
            self._workspace.drop_checkpoints(entry)
        else:
            self._progress.reused()
        self._chain.append(self._workspace.digest(entry))
        return found

    def checkpoints(self, stage: str, **more: Any) -> Path:
        """A folder for the checkpoints of the output that comes next; dropped once that is kept."""
        key = _key(stage, self._chain, more)
        return self._workspace.checkpoint_dir(f"{self._below}{stage}", key)

    def one(
        self,
        stage: str,
        name: str,
        make: Callable[[], T],
        save: Callable[[Path, T], Any],
        load: Callable[[Path], T],
        **more: Any,
    ) -> T:
        """An output of one file; ``more`` decides it beside what came before."""
        value = self._one(stage, name, make, save, load, more)
        self._workspace.drop_checkpoints(f"{self._below}{stage}")
        return value

    def _one(
        self,
        stage: str,
        name: str,
        make: Callable[[], T],
        save: Callable[[Path, T], Any],
        load: Callable[[Path], T],
        more: dict[str, Any],
        *,
        tell: bool = True,
    ) -> T:
        name, key = self._below + name, _key(stage, self._chain, more)
        if tell and self._workspace.stored(name, key) is not None:
            self._progress.reused()
        value = self._workspace.reuse(name, key, make, save, load)
        self._chain.append(self._workspace.digest(name))
        return value


def _key(stage: str, before: Sequence[str], more: Mapping[str, Any]) -> str:
    return content_hash({"stage": stage, "before": before, "more": more})


def _load_json(path: Path) -> Any:
    return read_json(path, LARGEST_JSON)


def _loader(parts: Callable[[], Parts]) -> Callable[[Path], Filled]:
    return lambda path: load_filled(path, parts())


def save_filled(path: Path, filled: Filled) -> None:
    """Write the outcome of *fill*, without the parts that the stage itself holds."""
    motion = filled.motion
    arrays = {
        name: np.asarray(getattr(motion, name)) for name in _ARRAYS if getattr(motion, name) is not None
    }
    plain = {f.name: getattr(motion, f.name) for f in fields(Motion) if f.name not in _ARRAYS}
    for number, other in enumerate(filled.others, start=2):
        arrays |= {_of_take(name, number): getattr(other, name) for name in _CHANNELS}
    if filled.confidence is not None:
        arrays["confidence"] = filled.confidence
    save_arrays(path, arrays, {"motion": plain, "prior": filled.prior, "self_test": asdict(filled.self_test)})


def load_filled(path: Path, parts: Parts) -> Filled:
    """Read what :func:`save_filled` wrote.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: The file is no such thing.
    """
    arrays, plain = load_arrays(path)
    single = dict(plain["motion"])
    single["blend_shapes"] = tuple(single["blend_shapes"])
    values: dict[str, Any] = {name: arrays.get(name) for name in _ARRAYS} | single
    motion = replace(parts.kept, **values)
    if motion.translations.shape[1:] != parts.kept.translations.shape[1:]:
        raise ValueError(f"{path} holds another skeleton")
    others: list[Motion] = []
    while _of_take("rotations", len(others) + 2) in arrays:
        channels: dict[str, Any] = {name: arrays[_of_take(name, len(others) + 2)] for name in _CHANNELS}
        others.append(replace(motion, **channels))
    return Filled(
        motion,
        parts,
        prior=str(plain["prior"]),
        self_test=from_plain(SelfTest, plain["self_test"]),
        others=tuple(others),
        confidence=arrays.get("confidence"),
    )


def _of_take(channel: str, number: int) -> str:
    return f"{channel}_{number}"
