"""Regular files, opened so that nothing else under their name can hold up, fill or lead away whoever opens it: a pipe
without a writer, a device without end, a link to a file of somebody else."""

import errno
import os
import stat
from pathlib import Path

NO_FILE = "it is no regular file"


def what_else(path: Path) -> str:
    """What there is under a name that is no file, in words; empty for a file, and where there is nothing."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return ""
    named = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return named.get(stat.S_IFMT(mode), "a device")


def read_regular(path: Path, largest: int) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: It cannot be read, or is something else: a folder, a pipe, a device.
        ValueError: It is larger than so many bytes.
    """
    opened = open_regular(path)
    with os.fdopen(opened, "rb") as stream:
        if os.fstat(opened).st_size > largest:
            raise ValueError(f"{path} is too large: more than {largest} bytes")
        return stream.read(largest)


def read_text(path: Path, largest: int, errors: str = "strict") -> str:
    """The text of a file in UTF-8, as :func:`read_regular` reads it; ``errors`` as of ``bytes.decode``."""
    return read_regular(path, largest).decode("utf-8", errors)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a file; for writing never through a link.

    Raises:
        OSError: It cannot be opened, or is something else than a file.
    """
    own = 0 if flags & (os.O_WRONLY | os.O_RDWR) == 0 else getattr(os, "O_NOFOLLOW", 0)
    # without O_NONBLOCK a pipe is waited for until somebody comes to its other end
    opened = os.open(path, flags | own | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, NO_FILE, str(path))
    return opened
