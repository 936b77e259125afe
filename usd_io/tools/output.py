"""New layers on disk: whole or not at all, and never over a file that they were made from."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pxr import Sdf, Tf, UsdUtils

from usd_io.diagnostics import captured, reason
from usd_io.errors import AuthorError, shown, unwritable
from usd_io.files import put_in_place, relative_path

FORMATS = (".usd", ".usda", ".usdc")


def check_output(out: Path, sources: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse a name that cannot be written to or must not be.

    Raises:
        AuthorError: It is no USD layer's, a source's, taken, or in no folder.
    """
    if out.suffix.lower() not in FORMATS:
        raise AuthorError(f"{shown(out)} is no layer's name; it takes one of {', '.join(FORMATS)}.")
    if not out.parent.is_dir():
        raise AuthorError(f"the folder of {shown(out)} does not exist; make it first.")
    if any(out.exists() and source.exists() and out.samefile(source) for source in sources):
        raise AuthorError(f"{shown(out)} is what is read; choose another name.", settings=("out",))
    if out.exists() and not overwrite:
        raise AuthorError(
            f"{shown(out)} exists; choose another name or allow overwriting.", settings=("out", "force")
        )


def write_layer(layer: Sdf.Layer, out: Path, *, anchor: Sdf.Layer | None = None) -> None:
    """Write a layer.

    Args:
        layer: It is changed where the paths in it are.
        out: Its name; an existing file is replaced in one step.
        anchor: The layer that relative paths in it belong to; they then name the same files from ``out``.

    Raises:
        AuthorError: It cannot be written.
    """
    try:
        with captured(), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}.") as folder:
            if anchor is not None:
                UsdUtils.ModifyAssetPaths(layer, lambda path: _anchored(path, anchor, out.parent))
            draft = Path(folder) / out.name
            if not layer.Export(str(draft)):
                raise AuthorError(f"USD could not write {shown(out)}.")
            put_in_place(draft, out)
    except Tf.ErrorException as error:
        raise AuthorError(f"USD could not write {shown(out)}: {reason(error)}") from error
    except OSError as error:
        raise AuthorError(unwritable(out, error, "choose another name"), settings=("out",)) from error
    known = Sdf.Layer.Find(str(out))
    if known:
        known.Reload(force=True)  # USD keeps layers by path


def _anchored(path: str, anchor: Sdf.Layer, folder: Path) -> str:
    """A relative asset path as it is from another folder; others as they are."""
    if not path or Path(path).is_absolute() or "://" in path:
        return path
    return relative_path(anchor.ComputeAbsolutePath(path), folder)
