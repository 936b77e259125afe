"""Write files under temporary names and give them their own names only when all is well."""

import filecmp
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pxr import Sdf, Tf

from usd_io.author.names import data_name, flat_name, root_name
from usd_io.diagnostics import captured
from usd_io.errors import AuthorError, shown
from usd_io.files import has_control_characters, put_in_place, sole_writer


@dataclass(frozen=True)
class Files:
    """The two files of a result."""

    root: Path
    data: Path
    """The same as ``root`` where one file holds all."""

    def __iter__(self) -> Iterator[Path]:
        """Data first: the root must never name a file that is not there."""
        return iter(dict.fromkeys((self.data, self.root)))


def result_files(folder: Path, stem: str, *, flat: bool = False) -> Files:
    """The names of a result's files, inside ``folder`` whatever the stem says; one alone where it is ``flat``.

    Raises:
        AuthorError: The stem is no plain file name.
    """
    if stem in ("", ".", "..") or set(stem) & set("/\\") or has_control_characters(stem):
        raise AuthorError(
            f"{shown(stem)!r} is no plain file name. Name the result without folders and control characters."
        )
    if flat:
        return Files(folder / flat_name(stem), folder / flat_name(stem))
    return Files(folder / root_name(stem), folder / data_name(stem))


def refuse_clobbering(files: Files, sources: Sequence[Path], overwrite: bool) -> None:
    """Refuse names that are taken.

    Raises:
        AuthorError: One is part of the source, or exists and may not be replaced.
    """
    for path in files:
        if not path.exists():
            continue
        if any(path.samefile(source) for source in sources if source.exists()):
            raise AuthorError(f"{shown(path)} is part of the source. Choose another name for the result.")
        if not overwrite:
            raise AuthorError(f"{shown(path)} exists. Choose another name or allow overwriting.")


@contextmanager
def draft_of(files: Files) -> Iterator[Files]:
    """Temporary files beside the final ones, removed when the block ends, however it ends.

    They lie in the same folder, so that relative paths mean the same and a rename stays on one disk. Only a
    process killed outright leaves them, under names that start with a dot.
    """
    files.root.parent.mkdir(parents=True, exist_ok=True)
    tag = uuid.uuid4().hex[:12]
    # names of their own: a long one has no room for what is added
    named = (f".draft.{tag}.usda", f".draft_anim.{tag}.usdc")
    draft = Files(*(files.root.with_name(name) for name in named))
    try:
        yield draft
    finally:
        for left in files.root.parent.glob(f".*.{tag}*"):
            left.unlink()


def publish(draft: Files, files: Files, claim: Callable[[Path], None], *, keep_earlier: bool) -> Files:
    """Give a checked draft its final names; returns them.

    The data layer gets a name that is free, and the root stage is renamed last, in one step: whenever this ends, and
    for whoever reads meanwhile, the root that is there and the data layer that it names belong together.

    Args:
        draft: What was written.
        files: The names wanted; where another data layer has that name, one with a number is taken.
        claim: Called with each name before it is taken; what it raises leaves the folder as it was.
        keep_earlier: Whether the data layer stays that a replaced root named: for those who have read that root and not
            yet its layers.
    """
    with sole_writer(files.root.parent):
        earlier = () if draft.data == draft.root else _data_layers_of(files.root)
        published = (
            files if draft.data == draft.root else Files(files.root, _free_name(draft.data, files.root))
        )
        new = not published.data.exists()
        for path in published:
            claim(path)
        if draft.data != draft.root:
            _name_data(draft, published.data)
        try:
            if new and draft.data != draft.root:
                put_in_place(draft.data, published.data)
            put_in_place(draft.root, published.root)
        except BaseException:
            if new:
                published.data.unlink(missing_ok=True)
            raise
        if not keep_earlier:
            for path in earlier:
                if path != published.data:
                    path.unlink(missing_ok=True)
    _refresh(published)
    return published


def _name_data(draft: Files, data: Path) -> None:
    layer = Sdf.Layer.FindOrOpen(str(draft.root))
    layer.UpdateCompositionAssetDependency(f"./{draft.data.name}", f"./{data.name}")
    layer.Save()


def _free_name(draft: Path, root: Path) -> Path:
    """The first of the names of a root's data layer that nothing has, or that has the same content already."""
    paths = (root.with_name(data_name(root.stem, number)) for number in count(1))
    return next(path for path in paths if not path.exists() or _is_same(draft, path))


def _is_same(draft: Path, path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and filecmp.cmp(draft, path, shallow=False)


def _data_layers_of(root: Path) -> list[Path]:
    """The data layers beside a root stage that it names, by their names alone."""
    if not root.is_file():
        return []
    try:
        with captured():
            layer = Sdf.Layer.OpenAsAnonymous(str(root), metadataOnly=True)
            named = list(layer.subLayerPaths)
    except (Tf.ErrorException, AttributeError):  # damaged: nothing is known of it
        return []
    names = {data_name(root.stem, number) for number in range(1, len(named) + 2)}
    return [root.with_name(name[2:]) for name in named if name[:2] == "./" and name[2:] in names]


def _refresh(files: Files) -> None:
    """USD keeps layers by path: one that is still open under this name would go on showing the old file."""
    for path in files:
        layer = Sdf.Layer.Find(str(path))
        if layer:
            layer.Reload(force=True)
