"""The run folder: what a run writes and how it survives a crash (docs/run-folder.md).

Every file but the event log appears whole, by rename. One process at a time writes, proved by the lock.
"""

import json
import os
import secrets
import shutil
import socket
import stat
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import tomli_w

from engine.config import RunConfig, read_config
from engine.errors import ConfigError, EngineError, RunLost
from engine.events import Event, PreviewWritten, RunFinished, RunStarted, to_json_line
from engine.files.atomic import is_inside, whole_file
from engine.files.hashing import content_hash
from engine.files.json_values import read_json
from engine.files.owned_folder import MARK, OwnedFolder, check_writable, refuse_foreign
from engine.files.regular import open_regular
from engine.runs.artefacts import INDEX, Artefact, is_intact, read_index
from engine.runs.lock import LOCK, RunLock, process_start
from engine.settings.choices import AuthorMode
from engine.settings.file_settings import file_settings, with_files
from usd_io.author.names import flat_name, is_result_name, root_name
from usd_io.errors import is_refused, shown, unwritable
from usd_io.files import FORMAT_ARGUMENTS, relative_path, sole_writer

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
PAGE = "report.html"
CONTROL = (LOCK, SETTINGS, STATE, EVENTS, "inputs.json", INDEX, REPORT, PAGE, LOG, CANCEL)
"""Files that every run may write, also by the hand of another process."""
KIND = "run"
LARGEST_STATE = 1 << 20
REMEDY = "name another folder. What was done is kept: 'anymole resume' goes on from there"
"""What to do instead where the folder cannot be written."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Workspace:
    """A run folder that exists, can be written to and is this process's own until :meth:`close`."""

    def __init__(self, folder: Path, *, by_hand: bool = False) -> None:
        """Make the folder where it is missing and take it.

        Args:
            folder: The run folder.
            by_hand: Whether settings that a person has put there make it one, whatever else is in it.

        Raises:
            RunBusy: Another process writes it.
            EngineError: It cannot be written to.
        """
        self.folder = folder
        self.before_keep: Callable[[], None] = _nothing
        """Called before anything is kept under its key; raises where it may not be what the key says."""
        self._lost = False
        self._guard = threading.RLock()
        self._own = own_run_folder(folder, by_hand=by_hand)
        self._claim_control_files()
        self._lock = RunLock(folder, self._lose)
        try:
            self._own.reload()  # the process that had it until now may have written more
            self._own.claim(*CONTROL)
            self._sweep()
            self.id = run_id(folder) or secrets.token_hex(4)
            self._facts: dict[str, Any] = {"started": round(time.time(), 3)}
            self._index = read_index(folder)
            self._events = _open_log(folder / EVENTS)
        except BaseException:
            self._lock.release()
            raise

    def _claim_control_files(self) -> None:
        """Our own names, before the lock: that is one of them."""
        for name in CONTROL:
            path = self.folder / name
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                raise EngineError(
                    f"{shown(path)} is no plain file, and the run keeps one there; move it away."
                )
        for name in (ARTEFACTS, CHECKPOINTS):
            path = self.folder / name
            if os.path.lexists(path) and not path.is_dir():
                raise EngineError(f"{shown(path)} is no folder, and the run keeps one there; move it away.")
        self._own.claim(*CONTROL)

    def claim(self, *names: str) -> None:
        """Say which files of the folder are about to be written, by their names in it.

        Raises:
            EngineError: Something that no run wrote has such a name; it stays. Or the folder cannot be written.
        """
        with self._guard:
            try:
                self._own.claim(*names)
            except EngineError as error:
                if isinstance(error.__cause__, OSError):
                    raise _unwritable(self.folder, error.__cause__) from error.__cause__
                raise

    def _lose(self) -> None:
        self._lost = True

    def check_ours(self) -> None:
        """Stop where another process has taken the run over, or the folder is not there any more: nothing is made again
        in its place.

        Raises:
            RunLost: So it is.
        """
        if not self.folder.is_dir():
            raise RunLost(
                f"{shown(self.folder)} was moved or removed while its run was at work; start the run again, and leave "
                "its folder where it is until it has ended."
            )
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
        text = to_json_line(_in_folder(event, self.folder), time.time()) + "\n"
        line = text.encode("utf-8", "backslashreplace")
        try:
            with self._guard:
                while line:
                    line = line[os.write(self._events, line) :]
        except OSError as error:
            raise _unwritable(self.folder / EVENTS, error) from error

    def forget_cancel(self) -> None:
        """From here on a wish to stop concerns what comes."""
        try:
            (self.folder / CANCEL).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.folder / CANCEL, error) from error

    def settings(self, config: RunConfig) -> None:
        """Write the resolved settings, with paths that hold from any current folder, and when both are moved."""
        values = {name: v for name, v in config.to_dict().items() if v is not None}
        text = tomli_w.dumps(_settings_in_folder(values, self.folder))
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
        self.claim(name)
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

        ``confirmed`` files are what the key says already, and :attr:`before_keep` is not called.
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

    def keep_file(self, name: str, key: str, save: Callable[[Path], Any]) -> Path:
        """Write an artefact of one file, whole or not at all, and enter it.

        Args:
            name: File name below ``artefacts/``.
            key: Hash of all that decides it (:func:`engine.files.hashing.content_hash`).
            save: Writes it to a path.
        """
        path = self._put(f"{ARTEFACTS}/{name}", save)
        self.keep(name, key, [path])
        return path

    def checkpoint_dir(self, stage: str, key: str) -> Path:
        """A folder for the checkpoints of a long stage. It is the stage's own to fill; the key in its name keeps
        checkpoints of other inputs or settings from being taken up."""
        name = f"{CHECKPOINTS}/{stage}-{key[:16]}/"
        self.claim(name)
        folder = self.folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder

    def drop_checkpoints(self, stage: str) -> None:
        """Remove a stage's checkpoints once its outputs are kept."""
        with self._guard:
            remove_owned(self._own, f"{CHECKPOINTS}/{stage}-")

    def drop_other_results(self, stem: str, kept: Sequence[Path], *, report: bool) -> list[str]:
        """Remove files of earlier results of the run: of another mode, or the data layer that is no longer named, and
        without a ``report`` of the one that is kept that of an earlier one.

        Returns:
            Names of those that people open.
        """
        names = {path.name for path in kept}
        said: list[str] = []
        choice = gaps_layer(
            stem
        )  # of an earlier result: the new one shows take 1 until somebody chooses again
        with self._guard, sole_writer(self.folder):
            self._own.reload()
            if self._own.owns(choice) and not any(choice.encode() in path.read_bytes() for path in kept[:1]):
                remove_owned(self._own, choice)
            for name in self._own.owned(stem):
                if is_result_name(name, stem) and name not in names:
                    remove_owned(self._own, name)
                    said += [name] if name in (root_name(stem), flat_name(stem)) else []
            page = self.folder / PAGE
            if not report and page.is_file() and not page.is_symlink() and _is_older(page, kept):
                page.unlink()
                said.append(PAGE)
        return said

    def _sweep(self) -> None:
        """Remove what a killed process left half-written: the lock proves that no run is at it, and that others do not
        change the folder that no take is being chosen."""
        with sole_writer(self.folder):
            for left in self._own.drafts((ARTEFACTS, CHECKPOINTS)):
                left.unlink(missing_ok=True)


def read_settings(folder: Path) -> RunConfig:
    """The settings of the run of a folder, with paths that hold from the current one.

    Raises:
        ConfigError: There are none, or they cannot be used.
    """
    config = read_config(folder / SETTINGS)
    seen = with_files(RunConfig, config.to_dict(), partial(_from_folder, folder))
    seen |= {"out": str(folder)} if config.out else {}
    return replace(
        config, **{name: seen[name] for name in (*(f.name for f in file_settings(RunConfig)), "out")}
    )


def _settings_in_folder(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings with their paths as they are seen from the run folder."""

    def seen_here(path: str) -> str:
        return relative_path(path, folder) if os.path.exists(path) else path  # noqa: PTH110  # else a prim, a view

    seen = with_files(RunConfig, values, seen_here)
    if seen.get("out"):
        seen["out"] = "."
    return seen


def _in_folder(event: Event, folder: Path) -> Event:
    """An event as the log holds it: with paths as they are seen from the run folder, which may be moved."""
    match event:
        case RunStarted(settings=settings):
            return replace(event, run=".", settings=_settings_in_folder(settings, folder))
        case RunFinished(result, layer):
            return replace(event, result=relative_path(result, folder), layer=relative_path(layer, folder))
        case PreviewWritten(path=path):
            return replace(event, path=relative_path(path, folder))
        case _:
            return event


def placed(event: Event, folder: Path) -> Event:
    """An event of a run folder's log with paths that hold from anywhere."""

    def seen(path: Any) -> Any:
        inside = isinstance(path, str) and "\x00" not in path
        return seen_from(folder, path) if inside and (path == "." or path.startswith(("./", "../"))) else path

    match event:
        case RunStarted(run, settings) if isinstance(settings, Mapping):
            known = with_files(RunConfig, settings, seen)
            return replace(
                event, run=seen(run), settings=known | {k: seen(known[k]) for k in ("out",) if k in known}
            )
        case RunFinished(result, layer):
            return replace(event, result=seen(result), layer=seen(layer))
        case PreviewWritten(path=path):
            return replace(event, path=seen(path))
        case _:
            return event


def _from_folder(folder: Path, path: str) -> str:
    if not path.startswith(("./", "../")):
        return path
    joined = seen_from(folder, path)
    by_hand = not run_id(folder)  # then it may have been meant from the current folder
    return path if by_hand and not os.path.exists(joined) else joined  # noqa: PTH110


def seen_from(folder: Path, path: str) -> str:
    """A path that a file of a run folder names, as it is seen from anywhere: joined as text, as USD joins those of
    layers, or, where the folder is named through a link that was laid later, from where it really is."""
    joined = os.path.normpath(folder.absolute() / path)
    real = os.path.normpath(os.path.join(os.path.realpath(folder), path))  # noqa: PTH118
    return joined if os.path.exists(joined) else real if os.path.exists(real) else joined  # noqa: PTH110


def own_run_folder(folder: Path, *, by_hand: bool = False) -> OwnedFolder:
    """The folder of a run with the list of what is its own; see :class:`engine.files.owned_folder.OwnedFolder`.

    Args:
        folder: The run folder; made and marked where it is not.
        by_hand: As for :class:`Workspace`.

    Raises:
        ConfigError: It holds files of others.
        EngineError: It cannot be written to.
    """
    return OwnedFolder(folder, KIND, CONTROL, *_older(folder, by_hand=by_hand))


def _older(folder: Path, *, by_hand: bool = False) -> tuple[set[str], bool]:
    """What is ours in a folder without a list, and whether a run is known to be there beside what else there is."""
    links = {name for name in (ARTEFACTS, CHECKPOINTS) if (folder / name).is_symlink()}
    if not (folder / SETTINGS).is_file() or not (by_hand or run_id(folder)):
        return links, False
    if not run_id(folder):
        return links | {SETTINGS}, True
    made = {file for artefact in read_index(folder).values() for file in artefact.files if is_inside(file)}
    roots = [Path(file) for file in made if file.endswith(f"{SUFFIX}.usda")]
    made |= {str(root.with_suffix(".json")) for root in roots} | {gaps_layer(root.stem) for root in roots}
    kept = {f"{CHECKPOINTS}/{path.name}/" for path in (folder / CHECKPOINTS).glob("*-" + "[0-9a-f]" * 16)}
    return links | {*CONTROL} | made | kept, True


def remove_owned(own: OwnedFolder, below: str, *, dry_run: bool = False) -> int:
    """Remove the files and folders of ours whose names begin so, and folders that this leaves empty; returns bytes."""
    freed = 0
    names = own.owned(below)
    for name in names:
        path = own.folder / name
        # a link among them is not ours: what it leads to stays, and so does the link
        through_link = any(p.is_symlink() for p in (path, *path.parents) if own.folder in p.parents)
        inside = path.rglob("*") if path.is_dir() else [path]
        if path.is_symlink() or (through_link and not name.startswith(f"{CHECKPOINTS}/")):
            continue
        freed += sum(file.lstat().st_size for file in inside if not file.is_dir() and os.path.lexists(file))
        if dry_run:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == own.folder or parent.is_symlink():
                break
            with suppress(OSError):
                parent.rmdir()
    if names and not dry_run:
        own.release(names)
    return freed


def _is_older(path: Path, others: Sequence[Path]) -> bool:
    return path.stat().st_mtime_ns < max(other.stat().st_mtime_ns for other in others)


def _nothing() -> None:
    pass


def _open_log(path: Path) -> int:
    """Open the event log for appending; a line that a crash tore off is closed, so that readers skip it alone."""
    try:
        log = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        size = os.fstat(log).st_size
        if size and os.pread(log, 1, size - 1) != b"\n":
            os.write(log, b"\n")
    except OSError as error:
        raise _unwritable(path, error) from error
    return log


def _unwritable(path: Path, error: OSError) -> EngineError:
    return EngineError(unwritable(path, error, REMEDY), settings=("out",))


def check_readable(folder: Path) -> None:
    """Refuse a run folder that keeps from us what a run leaves there: it would look as if there were none.

    Raises:
        ConfigError: It, or one of its files, may not be read.
    """
    closed = os.path.lexists(folder) and not os.access(folder, os.R_OK | os.X_OK)
    files = (folder / name for name in (MARK, *CONTROL))
    locked = folder if closed else next(filter(_is_kept_from_us, files), None)
    if locked is not None:
        raise ConfigError(f"{shown(locked)} may not be read; allow it, or name another run.")


def _is_kept_from_us(path: Path) -> bool:
    """Whether a file is there and may not be read; what the system says on opening tells that from a lock that comes
    and goes meanwhile."""
    if os.access(path, os.R_OK):
        return False
    try:
        os.close(open_regular(path))
    except OSError as error:
        return is_refused(error)
    return False


def read_state(folder: Path) -> dict[str, Any]:
    """What ``state.json`` says; empty when there is none or it cannot be understood.

    Raises:
        ConfigError: The folder was written by a newer version.
    """
    try:
        state = read_json(folder / STATE, LARGEST_STATE)
    except (OSError, ValueError):
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
    """Name of the result, without folder and extension; a long one is cut where file systems end a name, and what is a
    folder elsewhere (``\\``) is none here."""
    stem = Path(config.stage).stem.replace("\\", "_")
    stem = stem.encode("utf-8", "surrogateescape")[:LONGEST_STEM].decode(errors="ignore")
    return stem + SUFFIX


def gaps_layer(stem: str) -> str:
    """Name of the layer that says which take each gap of a result shows."""
    return f"{stem}_gaps.usdc"


def run_folder(config: RunConfig) -> Path:
    """Where a run writes: ``out``, or the next free ``STEM_inbetween`` beside the stage. Writes nothing.

    Raises:
        ConfigError: ``out`` holds a result already and ``force`` is not set, the run of another stage, or files of
            others; is a file, cannot be written to, or has a name that no USD file can be in.
    """
    if config.out:
        folder = Path(config.out)
        check_out(folder, config)
        names = (f"{result_stem(config)}.usda", f"{result_stem(config)}.usdc")
        if any((folder / name).exists() for name in names) and not config.force:
            raise ConfigError(
                f"{shown(folder)} holds the result of an earlier run; name another folder or have it replaced.",
                settings=("out", "force"),
            )
        return folder
    stage = Path(config.stage)
    base = (stage.parent if stage.exists() else Path()) / result_stem(config)
    numbered = (base.with_name(f"{base.name}_{n:03d}") for n in range(2, MOST_FOLDERS + 1))
    candidates = chain([base], numbered)
    free = next((path for path in candidates if config.force or not os.path.lexists(path)), None)
    if free is None:
        raise ConfigError(
            f"{shown(base)} and all numbered ones up to {MOST_FOLDERS} are taken; remove some or name a folder.",
            settings=("out",),
        )
    check_out(free, config)
    return free


def check_out(folder: Path, config: RunConfig) -> None:
    """Refuse a folder that this run cannot or must not write to; writes nothing.

    Raises:
        ConfigError: As :func:`run_folder`.
    """
    name = os.path.abspath(folder)  # noqa: PTH100  # not resolved: links may lead elsewhere later
    # layers name no files by control characters, nor by broken UTF-8, which comes as surrogates
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name) or FORMAT_ARGUMENTS in name:
        raise ConfigError(
            f"USD opens no files in a folder of the name {shown(folder)}; name another.", settings=("out",)
        )
    check_writable(folder)
    refuse_foreign(folder, KIND, *_older(folder))
    earlier = _earlier_stage(folder)
    if earlier is not None and not _same_stage(earlier, Path(config.stage)):
        raise ConfigError(
            f"{shown(folder)} holds the run of {shown(earlier)}; name another folder.",
            settings=("out",),
        )


def opened_names(stem: str, author: AuthorMode) -> tuple[str, str]:
    """Names of a result's files that people open: its root stage, and what it says of itself."""
    return flat_name(stem) if author == "flat" else root_name(stem), f"{stem}.json"


def check_result_names(folder: Path, config: RunConfig) -> None:
    """Refuse a result that would get the name of a file that the run of the folder did not write; writes nothing.

    Raises:
        ConfigError: There is such a file.
    """
    own = own_run_folder(folder)
    for name in opened_names(result_stem(config), config.author):
        if own.is_taken(name):
            raise ConfigError(
                f"{shown(folder / name)} was not written by this run, and the result gets that name; move it away.",
                settings=("author",),
            )


def _earlier_stage(folder: Path) -> Path | None:
    """The stage of the run in a folder; None where that is not known."""
    if not (folder / SETTINGS).is_file():
        return None
    try:
        return Path(read_settings(folder).stage)
    except ConfigError:
        return None


def _same_stage(earlier: Path, stage: Path) -> bool:
    """Whether two paths mean one shot: the same file, or one that has been moved or is named otherwise on this host."""
    try:
        return earlier.samefile(stage)
    except OSError:
        return earlier.name == stage.name
