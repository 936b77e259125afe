"""Folders that we write to, and the list of what in them is ours: nothing else there is ever replaced or removed.

The list is the file ``.anymole`` in the folder. A name enters it before the file is first written, and only while
nothing of that name is there, so that a file of the user's can never be on it.

Whether a folder can be made and written to is asked of the file system itself and without leaving a trace
(:func:`check_writable`). What permissions say is not enough: to an administrator all folders look writable, those of
/proc, of a mount for reading only and of most network shares too.
"""

import errno
import json
import os
import re
import secrets
from collections.abc import Iterable, Set
from pathlib import Path

from engine.errors import ConfigError, EngineError, NotWritable
from engine.files.atomic import REMEDY, is_inside, write_text
from engine.files.json_values import read_json
from usd_io.errors import shown, unwritable
from usd_io.files import sole_writer

MARK = ".anymole"
FORMAT = 1
LARGEST_MARK = 64 << 20
_DRAFT = re.compile(r"\..+\.(\d+-[0-9a-f]{8}\.tmp|[0-9a-f]{12}\.usd[ac](\.usd[ac]\.old)?)")
"""What a killed process of ours leaves: drafts of whole files and of results."""
_OF_SYSTEMS = {".DS_Store", ".localized", "Thumbs.db", "desktop.ini", "lost+found", ".snapshot"}
"""What systems put into folders by themselves."""
ROOM_FOR_NAMES = 300
"""Bytes of a path that are left to the names of files in a run folder."""
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
"""What file systems say that have no files without names."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
"""There may be room when the run comes to write; if not, it says so."""


class OwnedFolder:
    """A folder with the list of what we wrote there."""

    def __init__(
        self,
        folder: Path,
        kind: str,
        control: Iterable[str],
        adopted: Iterable[str] = (),
        known: bool = False,
    ) -> None:
        """Make the folder where it is missing, and mark it.

        Args:
            folder: The folder.
            kind: What it is for: ``run``, ``submission`` or ``render``.
            control: Names of files that any process may write there at any time: they are on the list from the start.
            adopted: Names that are ours in a folder without the list, written before there were lists.
            known: Such a folder is taken though there is more in it, which stays.

        Raises:
            ConfigError: It holds files of others, is one of ours for something else, or no folder can be made there.
            EngineError: It cannot be written to.
        """
        self.folder, self._kind = folder, kind
        adopted, self._control = set(adopted), set(control)
        refuse_foreign(folder, kind, adopted, known)
        if not _lexists(folder / MARK):
            check_writable(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not _lexists(folder / MARK):
                with sole_writer(
                    folder
                ):  # else a process that has begun meanwhile sweeps the draft of the list
                    here = {name for name in adopted | self._control if _lexists(folder / name)}
                    self._create((here & adopted) | (self._control - here))
        except OSError as error:
            raise EngineError(unwritable(folder, error, REMEDY), settings=("out",)) from error
        self.reload()

    def _create(self, names: Iterable[str]) -> None:
        """Only where there is none yet: another process may begin at the same moment."""
        draft = self.folder / f".{MARK}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
        draft.write_text(self._text(names), encoding="utf-8")
        try:
            os.link(draft, self.folder / MARK)
        except FileExistsError:
            pass
        except OSError as error:  # file systems without links
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EMLINK):
                raise
            draft.replace(self.folder / MARK)
        finally:
            draft.unlink(missing_ok=True)

    def _text(self, names: Iterable[str]) -> str:
        return json.dumps({"format": FORMAT, "kind": self._kind, "files": sorted(names)}, indent=1) + "\n"

    def reload(self) -> None:
        """Read the list again; names of which nothing is there any more are free for others."""
        listed = read_list(self.folder)
        self._listed = {name for name in listed if name in self._control or _lexists(self.folder / name)}

    def claim(self, *names: str) -> None:
        """Enter names into the list, before anything is written to them; ``NAME/`` is a folder with all that is in it.

        Raises:
            EngineError: Something that we did not write has that name, or the list cannot be written.
        """
        for name in names:
            path = self.folder / name
            if self.is_taken(name):
                raise EngineError(
                    f"{shown(path)} is not of this {self._kind}, and its own file has that name; move it away."
                )
        new = set(names) - self._listed
        if new:
            self._change(add=new)

    def is_taken(self, name: str) -> bool:
        """Whether something that we did not write has a name, or a link, which is never followed."""
        path = self.folder / name
        return path.is_symlink() or (name not in self._listed and _lexists(path))

    def owns(self, name: str) -> bool:
        """Whether a name is on the list."""
        return name in self._listed

    def owned(self, below: str) -> list[str]:
        """Names on the list that begin so."""
        return sorted(name for name in self._listed if name.startswith(below))

    def release(self, names: Iterable[str]) -> None:
        """Take names off the list; what they stood for has been removed."""
        self._change(remove=set(names))

    def drafts(self, below: Iterable[str]) -> list[Path]:
        """What killed processes left half-written in the folder and in folders of it; links are not followed."""
        places = [
            self.folder,
            *(self.folder / name for name in below if not (self.folder / name).is_symlink()),
        ]
        found = (path for place in places for path in _walk(place, deep=place != self.folder))
        return [path for path in found if _DRAFT.fullmatch(path.name)]

    def _change(self, add: Set[str] = frozenset(), remove: Set[str] = frozenset()) -> None:
        """Change the list as it is now: others may have entered names, such as that of a choice of takes."""
        with sole_writer(self.folder):
            self._listed = (self._listed | read_list(self.folder) | add) - remove
            write_text(self.folder / MARK, self._text(self._listed), "")


def refuse_foreign(folder: Path, kind: str, adopted: Iterable[str] = (), known: bool = False) -> None:
    """Refuse a folder that holds what we did not write; writes nothing. For the arguments see :class:`OwnedFolder`.

    Raises:
        ConfigError: It does, is a file, or is one of ours for something else.
    """
    if _lexists(folder) and not folder.is_dir():
        raise ConfigError(f"the folder {shown(folder)} is a file; name a folder.", settings=("out",))
    other = read_kind(folder)
    if other and other != kind:
        raise ConfigError(f"{shown(folder)} holds a {shown(other)}; {REMEDY}.", settings=("out",))
    if known or _lexists(folder / MARK):
        return
    foreign = foreign_names(folder, adopted)
    if foreign and not _lexists(folder / MARK):  # another process may have begun meanwhile
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ConfigError(
            f"{shown(folder)} holds files that anymole did not write ({shown(foreign[0])}{more}); name another, or a "
            "new, folder.",
            settings=("out",),
        )


def foreign_names(folder: Path, adopted: Iterable[str] = ()) -> list[str]:
    """What is in a folder without a list and is neither ``adopted`` nor a system's; nothing where it is missing."""
    known = {name.split("/")[0] for name in adopted} | _OF_SYSTEMS
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return []
    return [
        name
        for name in names
        if name not in known and not _DRAFT.fullmatch(name) and not name.startswith(".nfs")
    ]


def read_list(folder: Path) -> set[str]:
    """Names on the list of a folder; none where there is no list or it cannot be understood."""
    try:
        names = read_json(folder / MARK, LARGEST_MARK)["files"]
        return {name for name in names if isinstance(name, str) and is_inside(name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def read_kind(folder: Path) -> str:
    """What a folder of ours is for; empty where it is none."""
    try:
        return str(read_json(folder / MARK, LARGEST_MARK)["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _walk(place: Path, *, deep: bool) -> Iterable[Path]:
    try:
        entries = list(os.scandir(place))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if deep:
                yield from _walk(Path(entry.path), deep=True)
        else:
            yield Path(entry.path)


def _lexists(path: Path) -> bool:
    return os.path.lexists(path)


def check_writable(folder: Path, elsewhere: str = REMEDY) -> None:
    """Refuse a folder that cannot be made or written to; nothing is left behind.

    Args:
        folder: It.
        elsewhere: As for :func:`usd_io.errors.unwritable`; empty where no other folder can be named.

    Raises:
        ConfigError: It cannot.
    """
    name = os.path.abspath(folder)  # noqa: PTH100  # not resolved: links may lead elsewhere later
    there = next(path for path in (Path(name), *Path(name).parents) if os.path.lexists(path))
    if not there.is_dir():
        raise _refused(f"{shown(folder)} cannot be made, {shown(there)} is no folder")
    missing = Path(name).relative_to(there).parts
    longest = max((len(os.fsencode(part)) for part in missing), default=0)
    if longest > _limit(there, "PC_NAME_MAX") or len(os.fsencode(name)) > (
        _limit(there, "PC_PATH_MAX") - ROOM_FOR_NAMES
    ):
        raise _refused(f"{shown(folder)} cannot be made, the name is too long")
    error = _why_not(there)
    if error is not None:
        raise NotWritable(unwritable(folder, error, elsewhere), settings=("out",) if elsewhere else ())


def _refused(what: str) -> ConfigError:
    return ConfigError(f"{what}; {REMEDY}.", settings=("out",))


def _limit(folder: Path, name: str) -> float:
    try:
        return os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):  # not known here
        return float("inf")


def _why_not(folder: Path) -> OSError | None:
    """What the system says to a new file in a folder; None where it takes one, and of a full disk."""
    unnamed = getattr(os, "O_TMPFILE", 0)
    if unnamed:
        try:
            os.close(os.open(folder, unnamed | os.O_WRONLY, 0o600))
            return None
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                return None if error.errno in _FULL else error
    probe = (
        folder / f".anymole.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    )  # named as drafts are, which are no foreigners
    try:
        probe.mkdir()
        try:
            (probe / "probe").touch()
            (probe / "probe").unlink()
        finally:
            probe.rmdir()
    except OSError as error:
        return None if error.errno in _FULL else error
    return None
