"""``evaluate`` and ``benchmark``: priors against the truth."""

from pathlib import Path
from typing import Annotated, Any

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import (
    AsJson,
    Debug,
    GroupedCommand,
    takes_settings,
)
from engine import ConfigError, RunConfig
from engine.settings import Field, fields_of, split

EXAMPLES = """anymole evaluate walk.usda --context 1:49 --keys 49,73,97
anymole evaluate walk.usda --context 1:49 --keys 49:97:12 --prior learned,spline --json"""
_ENGINES = "auto, motion or all: the motion priors; oracle: also the fit to a video of the truth."


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(evaluate)
    app.command(cls=GroupedCommand)(benchmark)


def _settings(*names: str) -> tuple[Field, ...]:
    return tuple(field for field in fields_of(RunConfig) if field.name in names)


@takes_settings(_settings("stage", "context", "keys", "skeletons", "contacts"), dict)
def evaluate(
    settings: dict[str, Any],
    engine: Annotated[str, typer.Option(help=_ENGINES)] = "all",
    prior: Annotated[str, typer.Option(help="Priors to compare, P,P,... or all.")] = "all",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hide all of a dense clip but context and keys, fill it, and score against the truth."""
    from anymole_tui.report import evaluation_table
    from engine import evaluate as evaluate_stage

    _check_engine(engine)
    evaluations = evaluate_stage(
        settings["stage"],
        contexts=settings["context"],
        keys=settings["keys"],
        priors=split(prior),
        skeletons=settings["skeletons"],
        engine=engine,
        contacts=settings["contacts"],
    )
    if as_json:
        out.print_json({"evaluations": evaluations})
    else:
        out.answer("\n\n".join(map(evaluation_table, evaluations)))


@takes_settings(_settings("contacts"), dict)
def benchmark(
    settings: dict[str, Any],
    suite: Annotated[Path, typer.Argument(help="A TOML file with [[case]] tables.", show_default=False)],
    engine: Annotated[str, typer.Option(help=_ENGINES)] = "all",
    prior: Annotated[str, typer.Option(help="Priors to compare, P,P,... or all.")] = "all",
    save: Annotated[
        Path | None,
        typer.Option("--out", help="Where to save the table as JSON.", show_default="SUITE.results.json"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Evaluate a list of clips; print and save the table with mean and worst ratio to slerp."""
    from anymole_tui.report import benchmark_table
    from engine import Progress
    from engine import benchmark as run_benchmark
    from engine.evaluation import save_benchmark

    _check_engine(engine)
    progress = Progress(out.narrate_progress)
    result = run_benchmark(
        suite, priors=split(prior), engine=engine, contacts=settings["contacts"], progress=progress
    )
    saved = save_benchmark(result, save or Path(f"{suite.stem}.results.json"))
    if as_json:
        out.print_json({"saved": str(saved), "benchmark": result})
    else:
        out.answer(benchmark_table(result))
        out.say(f"saved {saved}")


def _check_engine(engine: str) -> None:
    if engine not in ("auto", "motion", "all", "oracle"):
        raise ConfigError(f"engine is {engine!r}; choose auto, motion, all or oracle.", settings=("engine",))
