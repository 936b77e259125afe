"""The files that a run reads: what they were, and whether they still are."""

import json
from collections.abc import Sequence
from pathlib import Path

from engine.config import RunConfig
from engine.errors import SourceChanged
from engine.files.hashing import content_hash
from engine.progress import Progress
from engine.runs.workspace import Workspace
from usd_io.errors import shown

INPUTS = "inputs.json"
_Stamp = tuple[int, int, int]


class Source:
    """The layers of the stage, and of the truth where there is one, as they were when the run began."""

    def __init__(self, config: RunConfig) -> None:
        """Hash them.

        Raises:
            UsdIoError: The stage cannot be opened.
            SourceChanged: A layer vanished meanwhile.
        """
        from usd_io.provenance import layer_files
        from usd_io.read.stage import open_stage

        stages = [config.stage, *([config.truth] if config.truth else [])]
        files = [file for stage in stages for file in layer_files(open_stage(stage))]
        self._known = {file: (_stamp(file), _hash(file)) for file in dict.fromkeys(files)}

    def hashes(self) -> list[str]:
        """SHA-256 of every file; their names do not count, so that a shot may be moved."""
        return [digest for _, digest in self._known.values()]

    def check_unchanged(self, written: Sequence[Path] = ()) -> None:
        """Stop when a layer is no longer what the run has read; what was written from it is taken back.

        Raises:
            SourceChanged: One is not.
        """
        for file, (stamp, digest) in self._known.items():
            if _stamp(file) != stamp and _hash(file) != digest:
                for path in written:
                    path.unlink(missing_ok=True)
                raise SourceChanged(
                    f"{shown(file)} changed while the run was reading it; 'anymole resume' makes the result anew."
                )

    def compare_with(self, workspace: Workspace, progress: Progress) -> None:
        """Name the layers that changed since the folder's run began, and note what this run reads."""
        now = {str(file): digest for file, (_, digest) in self._known.items()}
        before = read_inputs(workspace.folder)
        for file, digest in now.items():
            if before.get(file, digest) != digest:
                progress.note(
                    f"{shown(file)} changed since this run began; it is made anew.", level="warning"
                )
        workspace.write_json(INPUTS, {"layers": now})


def read_inputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that the run of a folder has read, by path; empty when it is not known."""
    try:
        return {
            str(file): str(digest)
            for file, digest in json.loads((folder / INPUTS).read_text(encoding="utf-8"))["layers"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError as error:
        raise SourceChanged(
            f"{shown(file)} is gone ({error.strerror}); put it back and resume the run."
        ) from error
    return found.st_size, found.st_mtime_ns, found.st_ino


def _hash(file: Path) -> str:
    try:
        return content_hash(file)
    except OSError as error:
        raise SourceChanged(
            f"{shown(file)} cannot be read ({error.strerror}); mend it and resume the run."
        ) from error
