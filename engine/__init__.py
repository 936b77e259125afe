"""Character + Motion -> Motion. Imports neither ``pxr`` nor ``textual``.

The names below are the public ones; each is imported when it is first used, so that ``import engine`` costs nothing.
The modules behind them may change. ``run`` itself is both a name and the module :mod:`engine.run`: take the function
from there, or from :mod:`anymole`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import RunConfig, config_from_mapping, read_config
    from engine.errors import (
        ConfigError,
        DataError,
        EngineError,
        ExitCode,
        NothingToFill,
        ResourceMissing,
        RunBusy,
        RunCancelled,
        SourceChanged,
    )
    from engine.evaluation.evaluate import benchmark, evaluate
    from engine.events import Event
    from engine.files.video import Video
    from engine.geometry.metrics import Scores, score
    from engine.geometry.resample import resample
    from engine.inspection.report import StageReport, check, inspect
    from engine.pipeline import RunResult
    from engine.planning.plan import Gap, Plan, make_plan
    from engine.priors.fill import Filled, fill_motion
    from engine.progress import Progress
    from engine.render_command.config import RenderConfig
    from engine.render_command.run import RenderResult, render_stage
    from engine.run import plan, prepare, resume
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
    "NothingToFill": "engine.errors",
    "Plan": "engine.planning.plan",
    "Progress": "engine.progress",
    "RenderConfig": "engine.render_command.config",
    "RenderResult": "engine.render_command.run",
    "ResourceMissing": "engine.errors",
    "RunBusy": "engine.errors",
    "RunCancelled": "engine.errors",
    "RunConfig": "engine.config",
    "RunResult": "engine.pipeline",
    "Scores": "engine.geometry.metrics",
    "SourceChanged": "engine.errors",
    "StageReport": "engine.inspection.report",
    "Video": "engine.files.video",
    "benchmark": "engine.evaluation.evaluate",
    "check": "engine.inspection.report",
    "choose_take": "engine.runs.takes",
    "config_from_mapping": "engine.config",
    "evaluate": "engine.evaluation.evaluate",
    "fill_motion": "engine.priors.fill",
    "inspect": "engine.inspection.report",
    "make_plan": "engine.planning.plan",
    "plan": "engine.run",
    "prepare": "engine.run",
    "read_config": "engine.config",
    "render_stage": "engine.render_command.run",
    "resample": "engine.geometry.resample",
    "resume": "engine.run",
    "score": "engine.geometry.metrics",
}
"""Where each public name lives."""

__all__ = [
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
    "NothingToFill",
    "Plan",
    "Progress",
    "RenderConfig",
    "RenderResult",
    "ResourceMissing",
    "RunBusy",
    "RunCancelled",
    "RunConfig",
    "RunResult",
    "Scores",
    "SourceChanged",
    "StageReport",
    "Video",
    "benchmark",
    "check",
    "choose_take",
    "config_from_mapping",
    "evaluate",
    "fill_motion",
    "inspect",
    "make_plan",
    "plan",
    "prepare",
    "read_config",
    "render_stage",
    "resample",
    "resume",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
