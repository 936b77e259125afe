"""What AWS Deadline Cloud takes beside the template in a job bundle: values of parameters, files to bring along."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.farm.batch import Submission
from engine.farm.shots import ShotTask
from engine.settings.file_settings import named_files
from usd_io.errors import UsdIoError

PRIORITY = 50
"""Deadline Cloud's own default, of 100."""


def parameter_values(batch: Submission) -> dict[str, Any]:
    """Priority, and how often a task is tried: shots that fail do not stop the others."""
    values = {
        "deadline:priority": PRIORITY,
        "deadline:maxRetriesPerTask": batch.needs.retries,
        "deadline:maxFailedTasksCount": len(batch.shots),
    }
    return {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}


def asset_references(batch: Submission) -> dict[str, Any]:
    """Every file that the shots read, and the folder that they write to, as absolute paths."""
    return {
        "assetReferences": {
            "inputs": {
                "filenames": [str(path) for path in _inputs(batch.shots)],
                "directories": _folders(batch.shots),
            },
            "outputs": {"directories": [str(batch.out)]},
            "referencedPaths": [],
        }
    }


def _inputs(shots: Sequence[ShotTask]) -> list[Path]:
    """Files that settings name, with the layers and textures of those that are stages; of a stage that cannot be
    opened its file alone."""
    from usd_io.provenance import layer_files, picture_files
    from usd_io.read.stage import open_stage

    found: dict[Path, None] = {}
    for name in dict.fromkeys(text for s in shots for text in (s.config.stage, s.config.truth) if text):
        try:
            stage = open_stage(name)
            found |= dict.fromkeys((*layer_files(stage), *picture_files(stage)))
        except UsdIoError:
            found[Path(name)] = None
    found |= dict.fromkeys(path for path in _named(shots) if path.is_file())
    return sorted({path.absolute() for path in found})


def _folders(shots: Sequence[ShotTask]) -> list[str]:
    """Folders that settings name: of pictures, of models."""
    return sorted({str(path.absolute()) for path in _named(shots) if path.is_dir()})


def _named(shots: Sequence[ShotTask]) -> list[Path]:
    return [Path(text) for text in dict.fromkeys(text for s in shots for text in named_files(s.config))]
