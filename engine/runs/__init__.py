"""Runs on disk: folders, locks, events, processes, and what is kept between them.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.runs.command_line import resume_fields, run_command, run_commands
    from engine.runs.process import (
        interrupts_wait,
        python_command,
        python_environment,
        request_cancel,
        start_detached,
        stop_signals,
    )
    from engine.runs.registry import (
        STATE_DIR,
        RunRecord,
        Tail,
        clean,
        end_silent,
        find_run,
        follow,
        forget_gone,
        known_folders,
        last_sign,
        list_runs,
        log_text,
        read_events,
        read_run,
        read_runs,
        remember,
        result_of,
    )
    from engine.runs.takes import choose_gap, choose_gaps, read_gaps
    from engine.runs.telemetry import LoadSampler
    from engine.runs.workspace import EVENTS, LOG, REPORT, SETTINGS, STATE, read_settings

_HOMES = {
    "EVENTS": "engine.runs.workspace",
    "LOG": "engine.runs.workspace",
    "LoadSampler": "engine.runs.telemetry",
    "REPORT": "engine.runs.workspace",
    "RunRecord": "engine.runs.registry",
    "SETTINGS": "engine.runs.workspace",
    "STATE": "engine.runs.workspace",
    "STATE_DIR": "engine.runs.registry",
    "Tail": "engine.runs.registry",
    "choose_gap": "engine.runs.takes",
    "choose_gaps": "engine.runs.takes",
    "clean": "engine.runs.registry",
    "end_silent": "engine.runs.registry",
    "find_run": "engine.runs.registry",
    "follow": "engine.runs.registry",
    "forget_gone": "engine.runs.registry",
    "interrupts_wait": "engine.runs.process",
    "known_folders": "engine.runs.registry",
    "last_sign": "engine.runs.registry",
    "list_runs": "engine.runs.registry",
    "log_text": "engine.runs.registry",
    "python_command": "engine.runs.process",
    "python_environment": "engine.runs.process",
    "read_events": "engine.runs.registry",
    "read_gaps": "engine.runs.takes",
    "read_run": "engine.runs.registry",
    "read_runs": "engine.runs.registry",
    "read_settings": "engine.runs.workspace",
    "remember": "engine.runs.registry",
    "request_cancel": "engine.runs.process",
    "result_of": "engine.runs.registry",
    "resume_fields": "engine.runs.command_line",
    "run_command": "engine.runs.command_line",
    "run_commands": "engine.runs.command_line",
    "start_detached": "engine.runs.process",
    "stop_signals": "engine.runs.process",
}
"""Where each name lives."""

__all__ = [
    "EVENTS",
    "LOG",
    "REPORT",
    "SETTINGS",
    "STATE",
    "STATE_DIR",
    "LoadSampler",
    "RunRecord",
    "Tail",
    "choose_gap",
    "choose_gaps",
    "clean",
    "end_silent",
    "find_run",
    "follow",
    "forget_gone",
    "interrupts_wait",
    "known_folders",
    "last_sign",
    "list_runs",
    "log_text",
    "python_command",
    "python_environment",
    "read_events",
    "read_gaps",
    "read_run",
    "read_runs",
    "read_settings",
    "remember",
    "request_cancel",
    "result_of",
    "resume_fields",
    "run_command",
    "run_commands",
    "start_detached",
    "stop_signals",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
