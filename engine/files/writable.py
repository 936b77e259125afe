"""Whether a folder can be made and written to, asked of the file system itself and without leaving a trace.

What permissions say is not enough: to an administrator all folders look writable, those of /proc, of a mount for
reading only and of most network shares too.
"""

import errno
import os
import secrets
from pathlib import Path

from engine.errors import ConfigError
from usd_io.errors import shown

ROOM_FOR_NAMES = 300
"""Bytes of a path that are left to the names of files in a run folder."""
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
"""What file systems say that have no files without names."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
"""There may be room when the run comes to write; if not, it says so."""


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to; nothing is left behind.

    Raises:
        ConfigError: It cannot.
    """
    name = os.path.abspath(folder)  # noqa: PTH100  # not resolved: links may lead elsewhere later
    there = next(path for path in (Path(name), *Path(name).parents) if os.path.lexists(path))
    if not there.is_dir():
        raise _refused(f"{shown(folder)} cannot be made, {shown(there)} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _refused(f"{shown(folder)} cannot be written to")
    missing = Path(name).relative_to(there).parts
    longest = max((len(os.fsencode(part)) for part in missing), default=0)
    if longest > _limit(there, "PC_NAME_MAX") or len(os.fsencode(name)) > (
        _limit(there, "PC_PATH_MAX") - ROOM_FOR_NAMES
    ):
        raise _refused(f"{shown(folder)} cannot be made, the name is too long")
    why = _why_not(there)
    if why:
        raise _refused(f"{shown(folder)} cannot be written to, {shown(there)} takes no new files ({why})")


def _refused(what: str) -> ConfigError:
    return ConfigError(f"{what}; name another folder.", settings=("out",))


def _limit(folder: Path, name: str) -> float:
    try:
        return os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):  # not known here
        return float("inf")


def _why_not(folder: Path) -> str:
    """What the system says to a new file in a folder; empty where it takes one."""
    unnamed = getattr(os, "O_TMPFILE", 0)
    if unnamed:
        try:
            os.close(os.open(folder, unnamed | os.O_WRONLY, 0o600))
            return ""
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                return _said(error)
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
        return _said(error)
    return ""


def _said(error: OSError) -> str:
    return "" if error.errno in _FULL else error.strerror or str(error)
