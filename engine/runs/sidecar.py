"""``STEM_inbetween.json``: what an asset manager registers of a result, without opening USD (docs/run-folder.md)."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.runs.inputs import read_inputs
from engine.runs.workspace import Workspace
from usd_io.files import file_hash

SCHEMA = 1
"""Version of the file; what is added later does not change it."""


def write_sidecar(config: RunConfig, result: Mapping[str, Any], workspace: Workspace) -> Path:
    """Write the sidecar of a result.

    Args:
        config: Settings of the run.
        result: What ``report.json`` holds.
        workspace: The run folder.

    Raises:
        EngineError: It cannot be written.
        StageReadError: The result cannot be opened.
    """
    from importlib.metadata import version  # plans import this module, and need it not

    from usd_io.read.stage import open_stage, stage_info

    folder = workspace.folder
    root, layer = Path(result["result"]), Path(result["layer"])
    info = stage_info(open_stage(root))
    others = [Path(p) for p in (*result["previews"], result["report"]) if p]
    return workspace.write_json(
        f"{root.stem}.json",
        {
            "schema": SCHEMA,
            "generator": "anymole",
            "version": version("anymole"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": workspace.id,
            "result": root.name,
            "layer": layer.name,
            "source": _relative(Path(config.stage), folder),
            "frame_range": None if info.start is None else [info.start, info.end],
            "frames_per_second": info.frame_rate,
            "time_codes_per_second": info.time_codes_per_second,
            "up_axis": info.up_axis,
            "meters_per_unit": info.meters_per_unit,
            "engine": "video" if any(s["prior"] == "video" for s in result["scores"].values()) else "motion",
            "skeletons": [
                _skeleton(plan, result["scores"][plan["skeleton_path"]]) for plan in result["plan"]
            ],
            "settings": config.to_dict(),
            "inputs": {_relative(Path(path), folder): digest for path, digest in read_inputs(folder).items()},
            "files": _hashes([root, layer, *others]),
        },
    )


def _skeleton(plan: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": plan["skeleton_path"],
        "context": plan["contexts"],
        "keys": plan["keys"],
        "gaps": [[gap["start"], gap["end"]] for gap in plan["gaps"]],
        "frames_filled": scores["frames"],
        "takes": len(scores["takes"]),
        "key_error": scores["key_error"],
        "expected_l2p": scores["self_test"]["expected_l2p"],
    }


def _relative(path: Path, folder: Path) -> str:
    """The path from the run folder, with slashes, so that both can be moved together."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    return {path.name: file_hash(path) for path in paths if path.is_file()}
