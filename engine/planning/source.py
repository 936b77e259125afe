"""The files that a run reads: what they were before the first of them was read, and whether they still are.

Everything that a run keeps is kept under the hashes of these files. So they are hashed first, then read, and before
anything made of them is kept or published they are looked at again: what was read is then what was hashed.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import SourceChanged
from engine.files.hashing import content_hash
from usd_io.errors import shown

TRIES = 5
"""Files that are saved again while they are hashed are hashed again so often."""
TICK_S = 0.02
"""Two saves within this may carry the same time: file systems count it in steps of up to 10 ms."""


@dataclass(frozen=True)
class _Stamp:
    """What a file system tells of a file; it changes with every save."""

    size: int
    inode: int
    modified_ns: int
    changed_ns: int
    """Of the content or of what is known about the file (its owner, its links)."""

    @property
    def content(self) -> tuple[int, int, int]:
        """What only a save changes."""
        return self.size, self.inode, self.modified_ns


class Source:
    """The files of a run's inputs as they were before they were read."""

    def __init__(self, config: RunConfig) -> None:
        """Find and hash them: the layers of the stage and of the truth, and what only pictures depend on (textures, a
        file of cameras).

        Raises:
            UsdIoError: A stage cannot be opened, or holds changes that were not saved.
            SourceChanged: A file is gone, or saved again and again.
        """
        from usd_io.provenance import layer_files, picture_files, reload_changed
        from usd_io.read.stage import open_stage

        for _ in range(TRIES):
            self._path, opened = config.stage, [open_stage(config.stage)]
            if config.truth:
                opened.append(open_stage(config.truth, in_times_of=opened[0]))
            self._opened = tuple(opened)
            self._layers = _known(file for stage in opened for file in layer_files(stage))
            pictures = [file for file in picture_files(opened[0]) if file.is_file()]
            cameras = filter(_is_file_of_cameras, (config.camera, config.second_camera))
            pictures += map(Path, cameras)
            self._pictures = _known(file for file in pictures if file not in self._layers)
            # else the layers that were opened to find the files are not those that were hashed: others may be used
            reloaded = [reload_changed(stage) for stage in opened]
            if not any(reloaded):
                return
        raise SourceChanged(
            f"{shown(config.stage)} is being saved again and again; run again once no program saves it."
        )

    @property
    def path(self) -> str:
        """Of the stage, as the user named it."""
        return self._path

    @property
    def stage(self) -> Any:
        """The stage, open: it is opened once, and read as it was when it was hashed."""
        return self._opened[0]

    @property
    def truth(self) -> Any | None:
        """The stage with the true motion, open, its times counted as the source's; None where none was named."""
        return self._opened[1] if len(self._opened) > 1 else None

    @property
    def layers(self) -> dict[Path, str]:
        """SHA-256 of every layer, the root of the stage first."""
        return {file: digest for file, (_, digest) in self._layers.items()}

    def hashes(self) -> list[str]:
        """SHA-256 of every layer; their names do not count, so that a shot may be moved."""
        return list(self.layers.values())

    def picture_hashes(self) -> list[str]:
        """SHA-256 of the files that only pictures depend on."""
        return [digest for _, digest in self._pictures.values()]

    def check_unchanged(self) -> None:
        """Stop when a file was saved since it was hashed: what was read since then may be of either content.

        One that holds the same again counts as well: in between it may have held something else.

        Raises:
            SourceChanged: One was.
        """
        for known in (self._layers, self._pictures):
            for file, (stamp, digest) in known.items():
                now = _stamp(file)
                if now == stamp:
                    continue
                if now.content != stamp.content or _hash(file) != digest:
                    raise SourceChanged(
                        f"{shown(file)} was saved while the run was reading it; run again, or resume the run, to "
                        "work from the new content."
                    )
                known[file] = now, digest  # another owner, another link to it: nothing that is read


def _is_file_of_cameras(camera: str) -> bool:
    return camera.endswith(".json") and Path(camera).is_file()


def _known(files: Iterable[Path]) -> dict[Path, tuple[_Stamp, str]]:
    return {file: _hashed(file) for file in dict.fromkeys(files)}


def _hashed(file: Path) -> tuple[_Stamp, str]:
    for _ in range(TRIES):
        stamp = _stamp(file)
        age = time.time() - stamp.modified_ns * 1e-9
        if 0 <= age < TICK_S:  # a save that comes now must be distinguished from the last one
            time.sleep(TICK_S - age)
            stamp = _stamp(file)
        digest = _hash(file)
        if _stamp(file) == stamp:
            return stamp, digest
    raise SourceChanged(f"{shown(file)} is being saved again and again; run again once no program saves it.")


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError as error:
        raise SourceChanged(
            f"{shown(file)} is gone ({error.strerror}); put it back and resume the run."
        ) from error
    return _Stamp(found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


def _hash(file: Path) -> str:
    try:
        return content_hash(file)
    except OSError as error:
        raise SourceChanged(
            f"{shown(file)} cannot be read ({error.strerror}); fix it and resume the run."
        ) from error
