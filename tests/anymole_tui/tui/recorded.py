"""Run folders with recorded events: what a face sees of a long run, here or on another host."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.events import (
    Event,
    Note,
    PreviewWritten,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    Telemetry,
    to_json_line,
)

NOON = 1795348800.0
"""Of the recorded day [s since 1970]."""
WEIGHTS = {"read": 1.0, "fill": 5.0, "adapt": 60.0, "generate": 30.0, "mimic": 40.0, "author": 1.0}


def write_run(
    folder: Path, events: Iterable[tuple[Event, float]], state: str = "running", **facts: Any
) -> Path:
    """A run folder of another host, as it stands after some events."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [to_json_line(event, at) for event, at in events]
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "run.toml").write_text('stage = "shot.usda"\n')
    write_state(folder, state, **facts)
    return folder


def write_state(folder: Path, state: str, **facts: Any) -> None:
    """Where the run stands; its host is at it while its lock is fresh."""
    values = {
        "format": 1,
        "id": "ab12cd34",
        "state": state,
        "host": "blade07",
        "pid": 4711,
        "process_start": "1",
    }
    values |= {
        "started": NOON,
        "updated": time.time() if state == "waiting" else NOON + 60,  # one that waits has just been prepared
        "stage": "adapt",
        "percent": 31.0,
        "remaining_s": 5400.0,
    }
    (folder / "state.json").write_text(json.dumps(values | facts))
    (folder / "lock").touch()


def training(steps: int = 120, folder: Path = Path()) -> list[tuple[Event, float]]:
    """A run that adapts a video model on a GPU: losses, telemetry, warnings, a preview."""
    events: list[tuple[Event, float]] = [
        (RunStarted("run", {"prior": "auto"}, WEIGHTS, "ab12cd34"), NOON),
        (Note("warning", "</Hero/Skel>: 2 joints have no bind transform (neck_01, head)."), NOON + 1),
        (StageStarted("read"), NOON + 1),
        (StageFinished("read", 0.4), NOON + 2),
        (StageStarted("fill"), NOON + 2),
        (StageFinished("fill", 4.2), NOON + 6),
        (PreviewWritten("fill", str(folder / "preview.png")), NOON + 6),
        (StageStarted("adapt"), NOON + 6),
    ]
    for step in range(1, steps + 1):
        events += step_events(step)
    return events


def step_events(step: int) -> list[tuple[Event, float]]:
    """What one second of training tells."""
    at = NOON + 6 + step
    wave = (step * 37 % 17) / 17
    losses = {"loss": 0.02 + 0.5 / (1 + step / 10) + 0.05 * wave, "grad_norm": 1.0 + wave}
    gpu = {
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "utilisation_percent": 90.0 + step % 10,
        "memory_used_mb": 40000.0 + 10 * step,
        "memory_total_mb": 81559.0,
        "temperature_c": 60.0 + step % 5,
        "power_w": 600.0 + step % 50,
        "power_limit_w": 700.0,
        "process_memory_mb": 39000.0,
    }
    load = Telemetry(35.0 + step % 20, 50000.0, 257000.0, 101.0 + step % 3, 9000.0, (gpu,))
    return [(StageProgress("adapt", step, 500, losses), at), (load, at)]
