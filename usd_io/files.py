"""Files as a whole: written under another name and renamed, known by the hash of their bytes."""

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FORMAT_ARGUMENTS = ":SDF_FORMAT_ARGS:"
"""Ends the path in USD's identifier of a layer: no path may hold it."""
_HELD = threading.local()
"""Folders that a thread is the sole writer of."""
_LONGEST_NAME = 255
"""Bytes of a file's name."""


def has_control_characters(path: str) -> bool:
    """Whether USD refuses a path as an asset path: no layer can name it."""
    return any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in path)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, as ``sha256sum`` gives it.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread changes what a folder's files say together, and keep others from it.

    It is the folder itself that is locked, so that nothing has to be written or cleared away for that. Where a file
    system cannot lock a folder nobody waits: each file is still whole. Blocks of one thread may lie in each other.
    """
    held: set[str] = _HELD.__dict__.setdefault("folders", set())
    name = os.path.realpath(folder)
    if name in held:
        yield
        return
    opened = -1
    with suppress(OSError, ImportError):
        import fcntl

        opened = os.open(folder, os.O_RDONLY)
        fcntl.flock(opened, fcntl.LOCK_EX)
    held.add(name)
    try:
        yield
    finally:
        held.discard(name)
        if opened >= 0:
            os.close(opened)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new, empty file beside ``path`` to write to; it takes the name of ``path`` when the block ends well.

    A reader sees what was there before or all that is new, and a crash leaves the former. A link of that name is
    replaced and not followed. Whatever writes the file, others may read it as far as the umask allows.

    Raises:
        OSError: The folder is not there or cannot be written to, or the disk is full.
    """
    end = f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    room = _LONGEST_NAME - len(end) - 1  # the longest name that a file may have leaves none for the end
    temporary = path.with_name(f".{os.fsdecode(os.fsencode(path.name)[-room:])}{end}")
    try:
        # exclusive, so that a link laid at this name is an error; the umask applies to the mode
        created = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666
        )
        mode = os.fstat(created).st_mode & 0o777
        os.close(created)
        yield temporary
        if temporary.stat().st_mode & 0o777 != mode:
            temporary.chmod(mode)  # some libraries make a file of their own, for its owner alone
        put_in_place(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name. The rename must not reach the disk before the bytes do, else a power cut leaves
    an empty file."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)


def relative_path(file: str, folder: Path) -> str:
    """The path of a file as a layer in ``folder`` names it: relative where both share more than the root.

    A relative path lets the two move together; a way up to the root of the disk and down again would not, so
    that one stays absolute, as does what is no file but an identifier of a studio's resolver, and what the way leads
    to by only one of the folder's names (links).
    """
    # links stay as they are: USD joins layer paths as text
    target = Path(os.path.abspath(file))  # noqa: PTH100
    start = Path(os.path.abspath(folder))  # noqa: PTH100
    if not target.exists():
        return file
    shared = Path(os.path.commonpath([target, start])) if target.anchor == start.anchor else None
    if shared is None or shared == Path(target.anchor):
        return target.as_posix()
    relative = Path(os.path.relpath(target, start)).as_posix()
    real = os.path.normpath(os.path.join(os.path.realpath(start), relative))  # noqa: PTH118
    if not (os.path.exists(real) and os.path.samefile(real, target)):  # noqa: PTH110, PTH121
        return target.as_posix()
    return relative if relative.startswith("../") else f"./{relative}"
