"""Character + Motion -> Motion. Imports neither ``pxr`` nor ``textual``.

The names below are the public ones; each is imported when it is first used, so that ``import engine`` costs nothing.
The modules behind them may change. ``run`` itself is both a name and the module :mod:`engine.run`: take the function
from there, or from :mod:`anymole`.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.config import RunConfig, config_from_mapping, of_a_shot, read_config
    from engine.errors import (
        SHOWN_ERRORS,
        ConfigError,
        DataError,
        EngineError,
        ExitCode,
        NothingToFill,
        ResourceMissing,
        RunBusy,
        RunCancelled,
        SourceChanged,
        exit_code,
        is_damage,
        is_foreseen,
        message_of,
    )
    from engine.evaluation.evaluate import benchmark, evaluate
    from engine.events import (
        Event,
        Note,
        PlanReady,
        PreviewWritten,
        RunFailed,
        RunFinished,
        RunStarted,
        StageFinished,
        StageProgress,
        StageReused,
        StageStarted,
        Telemetry,
        to_json_line,
    )
    from engine.files.video import Video
    from engine.geometry.metrics import Scores, score
    from engine.geometry.resample import resample
    from engine.inspection.report import StageReport, check, inspect
    from engine.pipeline import RunResult
    from engine.planning.plan import Gap, Plan, leaf, make_plan
    from engine.planning.shot_plan import Planned
    from engine.priors.fill import Filled, fill_motion
    from engine.progress import Overall, Progress, never
    from engine.render_command.config import RenderConfig
    from engine.render_command.run import RenderResult, render_stage
    from engine.run import advance, plan, prepare, prepare_resume, resume
    from engine.runs.takes import choose_take
    from engine.settings.choices import Appearance, Memory
    from engine.video.backends.protocol import Backend
    from engine.video.catalogue.added import AddedModel
    from engine.video.catalogue.model_cards import ModelCard
    from engine.video.options import AdaptOptions, GenerateOptions

_HOMES = {
    "AdaptOptions": "engine.video.options",
    "AddedModel": "engine.video.catalogue.added",
    "Appearance": "engine.settings.choices",
    "Backend": "engine.video.backends.protocol",
    "ConfigError": "engine.errors",
    "DataError": "engine.errors",
    "EngineError": "engine.errors",
    "Event": "engine.events",
    "ExitCode": "engine.errors",
    "Filled": "engine.priors.fill",
    "Gap": "engine.planning.plan",
    "GenerateOptions": "engine.video.options",
    "Memory": "engine.settings.choices",
    "ModelCard": "engine.video.catalogue.model_cards",
    "Note": "engine.events",
    "NothingToFill": "engine.errors",
    "Overall": "engine.progress",
    "Plan": "engine.planning.plan",
    "PlanReady": "engine.events",
    "Planned": "engine.planning.shot_plan",
    "PreviewWritten": "engine.events",
    "Progress": "engine.progress",
    "RenderConfig": "engine.render_command.config",
    "RenderResult": "engine.render_command.run",
    "ResourceMissing": "engine.errors",
    "RunBusy": "engine.errors",
    "RunCancelled": "engine.errors",
    "RunConfig": "engine.config",
    "RunFailed": "engine.events",
    "RunFinished": "engine.events",
    "RunResult": "engine.pipeline",
    "RunStarted": "engine.events",
    "SHOWN_ERRORS": "engine.errors",
    "Scores": "engine.geometry.metrics",
    "SourceChanged": "engine.errors",
    "StageFinished": "engine.events",
    "StageProgress": "engine.events",
    "StageReport": "engine.inspection.report",
    "StageReused": "engine.events",
    "StageStarted": "engine.events",
    "Telemetry": "engine.events",
    "Video": "engine.files.video",
    "advance": "engine.run",
    "benchmark": "engine.evaluation.evaluate",
    "check": "engine.inspection.report",
    "choose_take": "engine.runs.takes",
    "config_from_mapping": "engine.config",
    "evaluate": "engine.evaluation.evaluate",
    "exit_code": "engine.errors",
    "fill_motion": "engine.priors.fill",
    "inspect": "engine.inspection.report",
    "is_damage": "engine.errors",
    "is_foreseen": "engine.errors",
    "leaf": "engine.planning.plan",
    "make_plan": "engine.planning.plan",
    "message_of": "engine.errors",
    "never": "engine.progress",
    "of_a_shot": "engine.config",
    "plan": "engine.run",
    "prepare": "engine.run",
    "prepare_resume": "engine.run",
    "read_config": "engine.config",
    "render_stage": "engine.render_command.run",
    "resample": "engine.geometry.resample",
    "resume": "engine.run",
    "score": "engine.geometry.metrics",
    "to_json_line": "engine.events",
}
"""Where each name lives."""

__all__ = [
    "SHOWN_ERRORS",
    "AdaptOptions",
    "AddedModel",
    "Appearance",
    "Backend",
    "ConfigError",
    "DataError",
    "EngineError",
    "Event",
    "ExitCode",
    "Filled",
    "Gap",
    "GenerateOptions",
    "Memory",
    "ModelCard",
    "Note",
    "NothingToFill",
    "Overall",
    "Plan",
    "PlanReady",
    "Planned",
    "PreviewWritten",
    "Progress",
    "RenderConfig",
    "RenderResult",
    "ResourceMissing",
    "RunBusy",
    "RunCancelled",
    "RunConfig",
    "RunFailed",
    "RunFinished",
    "RunResult",
    "RunStarted",
    "Scores",
    "SourceChanged",
    "StageFinished",
    "StageProgress",
    "StageReport",
    "StageReused",
    "StageStarted",
    "Telemetry",
    "Video",
    "advance",
    "benchmark",
    "check",
    "choose_take",
    "config_from_mapping",
    "evaluate",
    "exit_code",
    "fill_motion",
    "inspect",
    "is_damage",
    "is_foreseen",
    "leaf",
    "make_plan",
    "message_of",
    "never",
    "of_a_shot",
    "plan",
    "prepare",
    "prepare_resume",
    "read_config",
    "render_stage",
    "resample",
    "resume",
    "score",
    "to_json_line",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
