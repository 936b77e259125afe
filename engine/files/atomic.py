"""Files written whole or not at all; failures end in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from engine.errors import EngineError
from usd_io.errors import unwritable
from usd_io.files import replacing

REMEDY = "name another folder"


@contextmanager
def whole_file(path: Path, elsewhere: str = REMEDY) -> Iterator[Path]:
    """A temporary file that takes the name of ``path`` when the block ends well (:func:`usd_io.files.replacing`).

    Args:
        path: Its folder is made where it is missing.
        elsewhere: What the user can do instead where it cannot be written.

    Raises:
        EngineError: The folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise EngineError(unwritable(path, error, elsewhere), settings=("out",)) from error


def write_bytes(path: Path, content: bytes, elsewhere: str = REMEDY) -> None:
    """Write a file; see :func:`whole_file`."""
    with whole_file(path, elsewhere) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str, elsewhere: str = REMEDY) -> None:
    """Write a text file in UTF-8; what has no code there, as in names of broken encoding, is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), elsewhere)


def is_inside(name: str) -> bool:
    """Whether a relative path stays in its folder."""
    path = PurePosixPath(name)
    return bool(name) and "\x00" not in name and not path.is_absolute() and ".." not in path.parts
