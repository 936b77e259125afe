"""Motion in-betweening for any character on OpenUSD: the public names, in one place.

    import anymole

    result = anymole.run(anymole.RunConfig(stage="shot.usda"))

Each name is imported when it is first used. What stands here stays; the packages behind it (:mod:`engine`,
:mod:`usd_io`) may change inside.
"""

from typing import TYPE_CHECKING, Any

try:
    import engine
    import usd_io

    _PUBLIC = {engine: engine.__all__, usd_io: usd_io.__all__}
except (ImportError, AttributeError) as error:
    raise ImportError(
        "another package under the name 'engine' or 'usd_io' hides the one of anymole; take its folder out of "
        "PYTHONPATH or use an environment of its own."
    ) from error

if TYPE_CHECKING:
    from engine import (
        AdaptOptions,
        AddedModel,
        Appearance,
        Backend,
        ConfigError,
        DataError,
        EngineError,
        Event,
        ExitCode,
        Filled,
        Gap,
        GenerateOptions,
        Memory,
        ModelCard,
        NothingToFill,
        Plan,
        Progress,
        RenderConfig,
        RenderResult,
        ResourceMissing,
        RunBusy,
        RunCancelled,
        RunConfig,
        RunResult,
        Scores,
        SourceChanged,
        StageReport,
        Video,
        benchmark,
        check,
        choose_take,
        config_from_mapping,
        evaluate,
        fill_motion,
        inspect,
        make_plan,
        plan,
        prepare,
        read_config,
        render_stage,
        resample,
        resume,
        score,
    )
    from engine.run import run
    from usd_io import (
        Authored,
        AuthorError,
        Character,
        Finding,
        Mesh,
        Motion,
        Shot,
        StageInfo,
        StageReadError,
        Take,
        UsdIoError,
        author_result,
        check_file,
        open_stage,
        read_motion_at,
        read_shot,
        read_stage_info,
    )

__all__ = [
    "AdaptOptions",
    "AddedModel",
    "Appearance",
    "AuthorError",
    "Authored",
    "Backend",
    "Character",
    "ConfigError",
    "DataError",
    "EngineError",
    "Event",
    "ExitCode",
    "Filled",
    "Finding",
    "Gap",
    "GenerateOptions",
    "Memory",
    "Mesh",
    "ModelCard",
    "Motion",
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
    "Shot",
    "SourceChanged",
    "StageInfo",
    "StageReadError",
    "StageReport",
    "Take",
    "UsdIoError",
    "Video",
    "author_result",
    "benchmark",
    "check",
    "check_file",
    "choose_take",
    "config_from_mapping",
    "evaluate",
    "fill_motion",
    "inspect",
    "make_plan",
    "open_stage",
    "plan",
    "prepare",
    "read_config",
    "read_motion_at",
    "read_shot",
    "read_stage_info",
    "render_stage",
    "resample",
    "resume",
    "run",
    "score",
]


def __getattr__(name: str) -> Any:
    if name == "run":  # engine.run is a module too
        from engine.run import run

        return run
    for package, names in _PUBLIC.items():
        if name in names:
            return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
