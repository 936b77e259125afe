"""The first thing that the command line does: make sure that no code of the current folder, or of another package with
one of our names, runs in our place."""

import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

OWN = ("engine", "usd_io")
"""Top-level packages of the project; other projects have some of these names, too."""
ROOT = Path(__file__).resolve().parents[1]


def refuse_foreign_packages() -> None:
    """Take the current folder off the import path and look where the packages ``OWN`` come from.

    ``python -m`` and an empty entry in ``PYTHONPATH`` put the current folder there, where a file of a shot may be
    called ``engine.py``. Finding a top-level package runs nothing of it.

    Raises:
        SystemExit: Another package hides one of ours; says which in one sentence.
    """
    sys.path[:] = [entry for entry in sys.path if not _is_current_folder(entry)]
    for name in OWN:
        found = None
        with suppress(ImportError, ValueError):
            found = find_spec(name)
        places = [found.origin, *(found.submodule_search_locations or ())] if found else []
        place = next(filter(None, places), name)
        if Path(place).resolve() != ROOT / name / "__init__.py":
            sys.exit(
                f"anymole: {place!a} is another package under the name {name!r}, which hides the one of anymole; take "
                "its folder out of PYTHONPATH or use an environment of its own."
            )


def _is_current_folder(entry: str) -> bool:
    """Whether an entry of the import path means the current folder or one below it, unless the project lies there."""
    place = Path(entry)
    with suppress(OSError):
        relative = not place.is_absolute() and place.exists()
        return (relative or place.samefile(Path.cwd())) and not place.samefile(ROOT)
    return False
