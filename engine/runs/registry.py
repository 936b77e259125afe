"""Runs seen from outside: which there are, how each stands, its events as they come, and what may be cleaned up.

Nothing here is part of a run: all of it works from any shell and any host that sees the folder.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, ExitCode, RunBusy
from engine.events import Event, from_json_line
from engine.files.atomic import write_text
from engine.files.json_values import read_json
from engine.files.regular import open_regular, read_text
from engine.runs.lock import HEARTBEAT_S, LOCK, RunLock, lock_age, runs_here
from engine.runs.process import process_of
from engine.runs.workspace import (
    ARTEFACTS,
    CHECKPOINTS,
    EVENTS,
    SETTINGS,
    STATE,
    check_readable,
    own_run_folder,
    placed,
    read_state,
    remove_owned,
    run_id,
)
from usd_io.errors import shown
from usd_io.files import replacing, sole_writer

STATE_DIR = "ANYMOLE_STATE_DIR"
"""Environment variable: where the list of known runs is kept."""
SILENT_S = 6 * HEARTBEAT_S
"""A run on another host whose marker is older than this is called silent."""
LATEST_START_S = 60.0
"""A prepared run that has not begun after so long will not by itself, where it is not known what it waits for."""
SEARCH_DEPTH = 3
MOST_SEARCHED = 20_000
"""Folders looked into at most; a list of runs is no search of a disk."""
MOST_SHOTS = 1000
"""Shots of one farm that are listed."""
FARM = "farm_"
"""What the names of entries begin with that hold a folder of shots."""
POLL_S = 0.1
LONGEST_LINE = 16 << 20
LARGEST_NUMBER = 1e15
"""Times, percents and numbers of processes beyond this mean nothing."""
LARGEST_TEXT = 64 << 20
LARGEST_REPORT = 256 << 20
LONGEST_PATH = 1 << 16


@dataclass(frozen=True)
class RunRecord:
    """How a run stands."""

    id: str
    folder: str
    state: str
    """``waiting``, ``running``, ``done``, ``failed``, ``cancelled``; ``stopped``: its process is gone, resume it;
    ``silent``: on another host and not heard of lately; ``unknown``: its state cannot be read."""
    stage: str
    percent: float | None
    remaining_s: float | None
    started: float | None
    """Seconds since 1970."""
    updated: float | None
    host: str
    pid: int | None
    exit_code: int | None
    message: str
    result: str

    @property
    def live(self) -> bool:
        """Whether events may still come."""
        return self.state in ("waiting", "running", "silent")


def read_run(folder: Path) -> RunRecord:
    """How the run of a folder stands now.

    Raises:
        ConfigError: The folder was written by a newer version.
    """
    state = read_state(folder)

    def number(name: str) -> float | None:
        value = state.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        return float(value) if abs(value) < LARGEST_NUMBER else None  # no NaN either

    def text(name: str) -> str:
        return str(state.get(name) or "")

    pid, code = number("pid"), number("exit_code")
    return RunRecord(
        id=run_id(folder),
        folder=str(folder),
        state=_state(folder, state),
        stage=text("stage"),
        percent=number("percent"),
        remaining_s=number("remaining_s"),
        started=number("started"),
        updated=number("updated"),
        host=text("host"),
        pid=None if pid is None else int(pid),
        exit_code=None if code is None else int(code),
        message=text("message") or ("" if folder.is_dir() else "its folder is gone"),
        result=str(folder.absolute() / Path(text("result")).name) if text("result") else "",
    )


def _state(folder: Path, state: dict[str, Any]) -> str:
    """The state that was written, unless its writer is gone."""
    said = state.get("state")
    if said not in ("waiting", "running", "done", "failed", "cancelled"):
        return "unknown"
    if said == "waiting":
        launched = state.get("launched")
        if isinstance(launched, dict):
            alive = runs_here(*process_of(launched | {"host": state.get("host", "")}))
            if alive is not None:
                return "waiting" if alive else "stopped"
        began = state.get("updated")
        late = isinstance(began, (int, float)) and time.time() - began > LATEST_START_S
        return "stopped" if state.get("message") or late else "waiting"
    if said != "running":
        return str(said)
    alive = runs_here(*process_of(state))
    if alive is None:
        age = lock_age(folder)
        return "running" if age is not None and age < SILENT_S else "silent"
    return "running" if alive else "stopped"


# Which runs there are ---------------------------------------------------------------------------------------------


def registry() -> Path:
    """Folder of the list of known runs of this user: one small file per run, named by its id."""
    if os.environ.get(STATE_DIR):
        return Path(os.environ[STATE_DIR]) / "runs"
    from platformdirs import user_state_path

    return user_state_path("anymole") / "runs"


def remember(folder: Path) -> None:
    """Enter a run into the list; where there is no home to write to it is found by its folder alone."""
    _enter(run_id(folder), folder)


def remember_farm(folder: Path) -> None:
    """Enter a folder whose shots a farm does into the list: each counts as a known run once it has begun."""
    path = os.fsencode(folder.absolute())
    _enter(FARM + hashlib.sha256(path).hexdigest()[:16], folder)


def _enter(name: str, folder: Path) -> None:
    with suppress(OSError):
        registry().mkdir(parents=True, exist_ok=True)
        with replacing(registry() / name) as temporary:
            temporary.write_text(str(folder.absolute()), encoding="utf-8", errors="surrogateescape")


def known_folders() -> list[Path]:
    """Folders of the list that still hold their run."""
    return [folder for name, folder in _entries() if run_id(folder) == name]


def known_farms() -> list[Path]:
    """Folders of the list in which a farm does its shots, those that are still there."""
    # os.path.isdir never raises, whatever the name
    return [folder for name, folder in _entries() if name.startswith(FARM) and os.path.isdir(folder)]  # noqa: PTH112


def _entries() -> Iterator[tuple[str, Path]]:
    """Names and folders of all entries of the list."""
    for entry in sorted(registry().glob("*")):
        with suppress(OSError, ValueError):
            yield entry.name, Path(read_text(entry, LONGEST_PATH, "surrogateescape"))


def runs_below(folder: Path) -> Iterator[Path]:
    """Run folders in a folder, itself included; links are not followed."""
    left, searched = [(folder, 0)], 0
    while left and searched < MOST_SEARCHED:
        place, depth = left.pop()
        searched += 1
        if _is_file(place / STATE):
            yield place
        elif depth < SEARCH_DEPTH:
            with suppress(OSError):
                inside = [entry for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
                left += [(Path(e.path), depth + 1) for e in inside if not e.name.startswith(".")]


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  # never raises, where a folder must not be entered, too


def list_runs(folders: Sequence[Path] = (), *, known: bool = False, farms: bool = True) -> list[RunRecord]:
    """Runs below the folders, or all known ones and those below the current folder; latest first.

    Args:
        folders: Where to search.
        known: Add those of the list to those below the folders.
        farms: Whether shots of farms are known ones.
    """
    found = [run for folder in folders or (Path(),) for run in runs_below(folder)]
    if known or not folders:
        found += known_folders()
        for farm in known_farms() if farms else ():
            found += islice(runs_below(farm), MOST_SHOTS)
    return read_runs(found)


def read_runs(folders: Iterable[Path]) -> list[RunRecord]:
    """How the runs of some folders stand, latest first; those of newer versions are left out."""
    records = []
    for folder in dict.fromkeys(path.absolute() for path in folders):
        with suppress(ConfigError):
            records.append(read_run(folder))
    return sorted(records, key=lambda record: record.started or 0.0, reverse=True)


def find_run(name: str) -> Path:
    """The folder of a run: by its path, its id or the beginning of one.

    Raises:
        ConfigError: There is none, or several; or its files may not be read.
    """
    folder = Path(name) if os.path.isdir(name) else _find_by_id(name)  # noqa: PTH112  # never raises, whatever the name
    check_readable(folder)
    if not _is_file(folder / STATE) and _is_file(folder / SETTINGS):
        raise ConfigError(
            f"the run in {shown(folder)} has lost its {STATE}; 'anymole resume' of the folder goes on."
        )
    if not _is_file(folder / STATE):
        raise ConfigError(f"{shown(name)} is no run folder; 'anymole runs' lists those that are known.")
    return folder


def _find_by_id(name: str) -> Path:
    matching = [record for record in list_runs() if name and record.id.startswith(name)]
    if not matching:
        raise ConfigError(f"there is no run {shown(name)}; 'anymole runs' lists them, or give its folder.")
    if len(matching) > 1:
        raise ConfigError(
            f"several runs begin with {shown(name)}: {', '.join(r.id for r in matching)}; give more of its letters."
        )
    return Path(matching[0].folder)


# Events as they come -----------------------------------------------------------------------------------------------


def read_events(folder: Path) -> list[tuple[Event, float]]:
    """All events so far with their times; torn lines and those of newer versions are left out."""
    with suppress(OSError), os.fdopen(open_regular(folder / EVENTS), "rb") as log:
        return _parsed(log, folder)
    return []


def follow(
    folder: Path, *, cancel: Callable[[], bool] = lambda: False, patient: bool = True
) -> Iterator[tuple[Event, float]]:
    """Events of a run from its start on, each as it is written, until the run has ended.

    Args:
        folder: The run folder.
        cancel: Called while waiting; True ends the iteration, not the run.
        patient: Whether to wait for a host that gives no sign.
    """
    reader = Tail(folder / EVENTS)
    while not cancel():
        # looked up before reading: what was written until then is still read
        record = read_run(folder)
        ended = not record.live or (record.state == "silent" and not patient)
        yield from reader.new()
        if ended:
            return
        time.sleep(POLL_S)


class Tail:
    """Reads what was appended to a log since the last time, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""

    def new(self) -> Iterable[tuple[Event, float]]:
        with (
            suppress(OSError),
            os.fdopen(open_regular(self._path), "rb") as log,
        ):  # opened again: a network file system shows new bytes then
            if os.fstat(log.fileno()).st_size < self._at:
                self._at, self._rest = 0, b""  # the folder was made again
            log.seek(self._at)
            content = log.read()
            self._at += len(content)
            *lines, self._rest = (self._rest + content).split(b"\n")
            if len(self._rest) > LONGEST_LINE:
                self._rest = b""
            return _parsed(lines, self._path.parent)
        return []


def _parsed(lines: Iterable[bytes], folder: Path) -> list[tuple[Event, float]]:
    return [(placed(event, folder), at) for event, at in filter(None, map(_parse, lines))]


def _parse(line: bytes) -> tuple[Event, float] | None:
    return from_json_line(line.decode("utf-8", "replace")) if len(line) <= LONGEST_LINE else None


# Cleaning up -------------------------------------------------------------------------------------------------------


def last_sign(folder: Path) -> float | None:
    """When a run was last heard of [seconds since 1970], by its lock or else its state; None where neither tells."""
    age = lock_age(folder)
    return read_run(folder).updated if age is None else time.time() - age


def end_silent(folder: Path) -> None:
    """Say of a run whose host gives no sign that it was stopped. Where that host is there after all, it hears of the
    wish by the file that :func:`engine.runs.process.request_cancel` has left, and says itself how it ended.

    Raises:
        EngineError: Its folder cannot be written to.
    """
    state = read_state(folder)
    message = f"stopped by the user; its host {shown(state.get('host', ''))} had given no sign."
    state |= {"state": "cancelled", "exit_code": int(ExitCode.INTERRUPTED), "message": message}
    with sole_writer(folder):  # a run that begins in it sweeps drafts
        write_text(folder / STATE, json.dumps(state, indent=2) + "\n", "")
    with suppress(OSError):  # else the next to take the run would wait until its lease has run out
        (folder / LOCK).unlink(missing_ok=True)


def clean(folder: Path, *, dry_run: bool = False, force: bool = False) -> int:
    """Remove what only a resumed run needs: artefacts and checkpoints. Result, settings and events stay.

    Args:
        folder: The run folder.
        dry_run: Whether nothing is removed.
        force: Whether that is done to a run, too, whose host gives no sign.

    Returns:
        Bytes freed, or to be freed.

    Raises:
        ConfigError: The folder is no run folder.
        RunBusy: The run is at work.
    """
    record = read_run(folder)
    if record.state == "silent" and not force:
        raise RunBusy(
            f"the run {shown(folder)} is on {shown(record.host)}, which gives no sign; end it with 'anymole cancel', "
            "or clean it by force."
        )
    if record.state == "running":
        raise RunBusy(f"the run {shown(folder)} is at work; stop it with 'anymole cancel' first.")
    if not record.id:
        raise ConfigError(f"{shown(folder)} holds no run that is known to be one; nothing in it is removed.")
    if dry_run:
        return _remove_kept(folder, dry_run=True)
    if record.state == "silent":
        end_silent(folder)
    lock = RunLock(folder, lambda: None)  # a run that begins meanwhile waits, or is waited for
    try:
        return _remove_kept(folder, dry_run=False)
    finally:
        lock.release()


def _remove_kept(folder: Path, *, dry_run: bool) -> int:
    own = own_run_folder(folder)
    return sum(remove_owned(own, f"{name}/", dry_run=dry_run) for name in (ARTEFACTS, CHECKPOINTS))


def forget_gone() -> int:
    """Drop runs from the list whose folders are gone; returns how many."""
    kept = {folder.absolute() for folder in (*known_folders(), *known_farms())}
    gone = 0
    for name, folder in _entries():
        if folder not in kept:
            with suppress(OSError):
                (registry() / name).unlink()
                gone += 1
    return gone


def log_text(folder: Path, name: str) -> str:
    """A text file of a run folder; empty where there is none."""
    with suppress(OSError, ValueError):
        return read_text(folder / name, LARGEST_TEXT, "replace")
    return ""


def result_of(folder: Path, name: str) -> dict[str, Any]:
    """A JSON file of a run folder; empty where there is none or it cannot be understood."""
    try:
        found = read_json(folder / name, LARGEST_REPORT)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
