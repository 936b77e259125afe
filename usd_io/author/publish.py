"""Write files under temporary names and give them their own names only when all is well."""

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pxr import Sdf

from usd_io.errors import AuthorError, shown
from usd_io.files import put_in_place, sole_writer


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
        return Files(folder / f"{stem}.usdc", folder / f"{stem}.usdc")
    return Files(folder / f"{stem}.usda", folder / f"{stem}_anim.usdc")


def has_control_characters(path: str) -> bool:
    """Whether USD refuses a path as an asset path: no layer can name it."""
    return any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in path)


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


def publish(draft: Files, files: Files) -> None:
    """Rename a checked draft to its final names; where that fails, what was there before comes back."""
    if draft.data != draft.root:
        layer = Sdf.Layer.FindOrOpen(str(draft.root))
        layer.UpdateCompositionAssetDependency(f"./{draft.data.name}", f"./{files.data.name}")
        layer.Save()
        del layer
    with sole_writer(files.root.parent):
        _rename(draft, files)
    _refresh(files)


def _rename(draft: Files, files: Files) -> None:
    backups = {path: _backup(path, draft) for path in files if path.exists()}
    done: list[Path] = []
    try:
        for source, target in zip(draft, files, strict=True):
            done.append(target)
            put_in_place(source, target)
    except BaseException:
        _roll_back(done, backups)
        raise


def _backup(path: Path, draft: Files) -> Path:
    """A second name for the file that is about to be replaced; the draft's tag has it removed in the end."""
    copy = draft.root.with_name(f"{draft.root.name}{path.suffix}.old")
    try:
        os.link(path, copy)
    except OSError:
        shutil.copy2(path, copy)
    return copy


def _roll_back(done: list[Path], backups: dict[Path, Path]) -> None:
    for path in done:
        if path in backups:
            backups[path].replace(path)
        else:
            path.unlink(missing_ok=True)


def _refresh(files: Files) -> None:
    """USD keeps layers by path: one that is still open under this name would go on showing the old file."""
    for path in files:
        layer = Sdf.Layer.Find(str(path))
        if layer:
            layer.Reload(force=True)
