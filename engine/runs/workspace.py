"""The run folder: what a run writes and how it survives a crash (docs/run-folder.md).

Every file but the event log appears whole, by rename. One process at a time writes, proved by the lock.
"""

import json
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

import tomli_w

from engine.config import RunConfig
from engine.errors import ConfigError, DataError, EngineError, RunLost
from engine.events import Event, to_json_line
from engine.files.atomic import whole_file
from engine.files.hashing import content_hash
from engine.runs.artefacts import INDEX, Artefact, is_intact, read_index
from engine.runs.lock import RunLock, process_start
from usd_io.errors import shown

FORMAT = 1
"""Version of the run folder; readers refuse newer ones."""
SUFFIX = "_inbetween"
LONGEST_STEM = 224
"""Bytes of a stage's name that a result's begins with: with what is added its names stay below 255."""
MOST_FOLDERS = 9999
SETTINGS, STATE, EVENTS, REPORT, LOG = "run.toml", "state.json", "events.jsonl", "report.json", "log.txt"
CANCEL = "cancel"
"""A file of this name asks the run to stop, from any host."""
ARTEFACTS, CHECKPOINTS = "artefacts", "checkpoints"
LARGEST_STATE = 1 << 20
REMEDY = "make room or name another folder. What was done is kept: 'anymole resume' goes on from there"
"""What to do where the folder cannot be written."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]
T = TypeVar("T")


class Workspace:
    """A run folder that exists, can be written to and is this process's own until :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing and take it.

        Raises:
            RunBusy: Another process writes it.
            EngineError: It cannot be written to.
        """
        self.folder = folder
        self.before_keep: Callable[[], None] = _nothing
        """Called before anything is kept under its key; raises where it may not be what the key says."""
        self._lost = False
        self._guard = threading.RLock()
        self._make(folder)
        self._lock = RunLock(folder, self._lose)
        try:
            self._sweep()
            self.id = run_id(folder) or secrets.token_hex(4)
            self._facts: dict[str, Any] = {"started": round(time.time(), 3)}
            self._index = read_index(folder)
            self._events = _open_log(folder / EVENTS)
        except BaseException:
            self._lock.release()
            raise

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def _lose(self) -> None:
        self._lost = True

    def check_ours(self) -> None:
        """Stop where another process has taken the run over.

        Raises:
            RunLost: It has.
        """
        if self._lost:
            raise RunLost(
                f"{shown(self.folder)} was taken over by another process while this one was stopped."
            )

    def close(self) -> None:
        """Give the folder back."""
        try:
            os.close(self._events)
        finally:
            self._lock.release()

    def event(self, event: Event) -> None:
        """Append an event; a reader sees it at once.

        Raises:
            EngineError: The disk is full or the folder is gone.
        """
        self.check_ours()
        line = (to_json_line(event, time.time()) + "\n").encode("utf-8", "backslashreplace")
        try:
            with self._guard:
                while line:
                    line = line[os.write(self._events, line) :]
        except OSError as error:
            raise _unwritable(self.folder / EVENTS, error) from error

    def settings(self, config: RunConfig) -> None:
        """Write the resolved settings, with paths that hold from any current folder."""
        values = {name: v for name, v in config.to_dict().items() if v is not None}
        paths = ["stage", "truth", "video", "caption"]
        paths += ["camera"] if config.camera.endswith(".json") else []  # else a prim, or a view
        for name in paths:
            if values.get(name) and Path(values[name]).exists():
                values[name] = str(Path(values[name]).absolute())
        text = tomli_w.dumps(values)
        self._write_bytes(SETTINGS, text.encode("utf-8", "surrogatepass"))

    def state(self, state: State, **facts: Any) -> None:
        """Write ``state.json``: where the run stands, for anyone who looks; facts stay until they are replaced."""
        with self._guard:
            self._facts |= facts
            own = {
                "format": FORMAT,
                "id": self.id,
                "state": state,
                "host": socket.gethostname(),
                "pid": os.getpid(),
            }
            own["process_start"] = process_start(os.getpid())
            self.write_json(STATE, own | self._facts | {"updated": round(time.time(), 3)})

    def write_json(self, name: str, values: Mapping[str, Any]) -> Path:
        """Write a JSON file of the run folder."""
        return self.write(name, json.dumps(values, indent=2, allow_nan=False) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a text file whole or not at all."""
        return self._write_bytes(name, text.encode("utf-8", "backslashreplace"))

    def _write_bytes(self, name: str, content: bytes) -> Path:
        with self._guard:
            return self._put(name, lambda path: path.write_bytes(content))

    def _put(self, name: str, save: Callable[[Path], Any]) -> Path:
        """Have a file written under another name, flushed and given its own."""
        self.check_ours()
        path = self.folder / name
        with whole_file(path, REMEDY) as temporary:
            save(temporary)
        return path

    # Artefacts ------------------------------------------------------------------------------------------------

    def stored(self, name: str, key: str) -> tuple[Path, ...] | None:
        """Files of an artefact that was made with this key and is intact; None where it has to be made."""
        artefact = self._index.get(name)
        if artefact is None or artefact.key != key or not is_intact(self.folder, artefact):
            return None
        return tuple(self.folder / file for file in artefact.files)

    def keep(self, name: str, key: str, files: Sequence[Path], *, confirmed: bool = False) -> None:
        """Enter files that lie in the run folder into the index; only then a resumed run counts on them.

        ``confirmed`` files are what the key says already, and :attr:`before_keep` is not asked.
        """
        if not confirmed:
            self.before_keep()
        hashes = {
            path.absolute().relative_to(self.folder.absolute()).as_posix(): content_hash(path)
            for path in files
        }
        with self._guard:
            self._index[name] = Artefact(key, hashes)
            entries = {entry: asdict(artefact) for entry, artefact in sorted(self._index.items())}
            self.write_json(INDEX, {"format": FORMAT, "artefacts": entries})

    def reuse(
        self,
        name: str,
        key: str,
        make: Callable[[], T],
        save: Callable[[Path, T], Any],
        load: Callable[[Path], T],
    ) -> T:
        """An artefact of one file: from the folder where it is there, else made and kept.

        Args:
            name: File name below ``artefacts/``.
            key: Hash of all that decides it (:func:`engine.files.hashing.content_hash`).
            make: Makes it.
            save: Writes it to a path.
            load: Reads it back, also what was just made, so that the two cannot differ; what it cannot read is
                made again.
        """
        stored = self.stored(name, key)
        if stored:
            try:
                return load(stored[0])
            except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError):
                pass  # written by another version: intact, and yet of no use here
        made = make()
        path = self._put(f"{ARTEFACTS}/{name}", lambda temporary: save(temporary, made))
        self.keep(name, key, [path])
        return load(path)

    def checkpoint_dir(self, stage: str, key: str) -> Path:
        """A folder for the checkpoints of a long stage. It is the stage's own to fill; the key in its name keeps
        checkpoints of other inputs or settings from being taken up."""
        folder = self.folder / CHECKPOINTS / f"{stage}-{key[:16]}"
        self._make(folder)
        return folder

    def drop_checkpoints(self, stage: str) -> None:
        """Remove a stage's checkpoints once its outputs are kept."""
        for folder in (self.folder / CHECKPOINTS).glob(f"{stage}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed process left half-written; the lock proves that nobody is at it."""
        below = (self.folder / name for name in (ARTEFACTS, CHECKPOINTS))
        found = [self.folder.glob(".*.tmp"), self.folder.glob(f".*{SUFFIX}*.usd*")]
        for left in chain(*found, *(folder.rglob(".*.tmp") for folder in below)):
            left.unlink(missing_ok=True)


def _nothing() -> None:
    pass


def _open_log(path: Path) -> int:
    """Open the event log for appending; a line that a crash tore off is closed, so that readers skip it alone."""
    try:
        log = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o644
        )
        size = os.fstat(log).st_size
        if size and os.pread(log, 1, size - 1) != b"\n":
            os.write(log, b"\n")
    except OSError as error:
        raise _unwritable(path, error) from error
    return log


def _unwritable(path: Path, error: OSError) -> EngineError:
    return EngineError(
        f"{shown(path)} cannot be written ({error.strerror or error}); {REMEDY}.", settings=("out",)
    )


def read_state(folder: Path) -> dict[str, Any]:
    """What ``state.json`` says; empty when there is none or it cannot be understood.

    Raises:
        ConfigError: The folder was written by a newer version.
    """
    try:
        path = folder / STATE
        if path.stat().st_size > LARGEST_STATE:
            return {}
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(state, dict):
        return {}
    version = state.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ConfigError(f"{shown(folder)} was written by a newer anymole (format {version}); use that one.")
    return state


def run_id(folder: Path) -> str:
    """Short name of the run in a folder; empty where there is none."""
    name = read_state(folder).get("id", "")
    return name if isinstance(name, str) and len(name) == 8 and name.isalnum() and name.isascii() else ""


def result_stem(config: RunConfig) -> str:
    """Name of the result, without folder and extension; a long one is cut where file systems end a name."""
    stem = Path(config.stage).stem.encode()[:LONGEST_STEM].decode(errors="ignore")
    return stem + SUFFIX


def run_folder(config: RunConfig) -> Path:
    """Where a run writes: ``out``, or the next free ``STEM_inbetween`` beside the stage.

    Raises:
        ConfigError: ``out`` holds a result already and ``force`` is not set, or is a file.
    """
    if config.out:
        folder = Path(config.out)
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"the run folder {shown(folder)} is a file; name a folder.", settings=("out",))
        if (folder / f"{result_stem(config)}.usda").exists() and not config.force:
            raise ConfigError(
                f"{shown(folder)} holds the result of an earlier run; name another folder or have it replaced.",
                settings=("out", "force"),
            )
        return folder
    stage = Path(config.stage)
    base = (stage.parent if stage.exists() else Path()) / result_stem(config)
    candidates = (base, *(base.with_name(f"{base.name}_{n:03d}") for n in range(2, MOST_FOLDERS)))
    return next(folder for folder in candidates if config.force or not folder.exists())
