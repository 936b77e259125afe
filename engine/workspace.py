"""The run folder: what a run writes and how it survives a crash. Every file but the event log appears whole."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tomli_w

from engine.config import RunConfig
from engine.errors import ConfigError, EngineError
from engine.events import Event, to_json_line
from usd_io.errors import shown

FORMAT = 1
"""Version of the run folder; readers refuse newer ones."""
SUFFIX = "_inbetween"
MOST_FOLDERS = 9999

State = Literal["running", "done", "failed", "cancelled"]


class Workspace:
    """A run folder that exists and can be written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._events = (folder / "events.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise EngineError(
                f"the run folder {shown(folder)} cannot be written to ({error.strerror}); name another with --out."
            ) from error

    def close(self) -> None:
        """Close the event log."""
        self._events.close()

    def event(self, event: Event) -> None:
        """Append an event; a reader sees it at once."""
        self._events.write(to_json_line(event, time.time()) + "\n")
        self._events.flush()

    def settings(self, config: RunConfig) -> None:
        """Write the resolved settings as ``run.toml``."""
        self.write("run.toml", tomli_w.dumps(config.to_dict()))

    def state(self, state: State, stage: str = "") -> None:
        """Write ``state.json``: where the run stands, for anyone who looks."""
        facts = {
            "format": FORMAT,
            "state": state,
            "stage": stage,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        self.write_json("state.json", facts | {"updated": round(time.time(), 3)})

    def write_json(self, name: str, values: Mapping[str, Any]) -> Path:
        """Write a JSON file of the run folder."""
        return self.write(name, json.dumps(values, indent=2, allow_nan=False) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a text file whole or not at all."""
        path = self.folder / name
        temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise EngineError(f"{shown(path)} cannot be written ({error.strerror}).") from error
        return path


def result_stem(config: RunConfig) -> str:
    """Name of the result, without folder and extension."""
    return Path(config.stage).stem + SUFFIX


def run_folder(config: RunConfig) -> Path:
    """Where a run writes: ``--out``, or the next free ``STEM_inbetween`` beside the stage.

    Raises:
        ConfigError: ``--out`` holds a result already and ``force`` is not set, or is a file.
    """
    if config.out:
        folder = Path(config.out)
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--out {shown(folder)} is a file; name a folder.")
        if (folder / f"{result_stem(config)}.usda").exists() and not config.force:
            raise ConfigError(
                f"{shown(folder)} holds the result of an earlier run; name another folder with --out or replace it "
                "with --force."
            )
        return folder
    stage = Path(config.stage)
    base = (stage.parent if stage.exists() else Path()) / result_stem(config)
    candidates = (base, *(base.with_name(f"{base.name}_{n:03d}") for n in range(2, MOST_FOLDERS)))
    return next(folder for folder in candidates if config.force or not folder.exists())
