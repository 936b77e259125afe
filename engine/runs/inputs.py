"""What the run of a folder has read: the layers with their hashes."""

import os
from pathlib import Path

from engine.files.json_values import read_json
from engine.planning.source import Source
from engine.progress import Progress
from engine.runs.workspace import Workspace, seen_from
from usd_io.errors import shown
from usd_io.files import relative_path

INPUTS = "inputs.json"
LARGEST_INPUTS = 64 << 20


def note_inputs(source: Source, workspace: Workspace, progress: Progress) -> None:
    """Name the layers that changed since the folder's run began, and write down what this run reads."""
    now = {os.path.abspath(file): digest for file, digest in source.layers.items()}  # noqa: PTH100  # links stay
    before = read_inputs(workspace.folder)
    for file, digest in now.items():
        if before.get(file, digest) != digest:
            progress.note(
                f"{shown(file)} changed since this run began; what depends on it is recomputed.",
                level="warning",
            )
    seen = {relative_path(file, workspace.folder): digest for file, digest in now.items()}
    workspace.write_json(INPUTS, {"layers": seen})


def read_inputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that the run of a folder has read, by absolute path; empty when it is not known."""
    try:
        return {
            seen_from(folder, file): str(digest)
            for file, digest in read_json(folder / INPUTS, LARGEST_INPUTS)["layers"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
