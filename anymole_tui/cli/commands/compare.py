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
from engine import RunConfig
from engine.evaluation import ComparisonConfig
from engine.settings import Field, fields_of

EXAMPLES = """anymole evaluate walk.usda --context 1:49 --keys 49,73,97
anymole evaluate walk.usda --context 1:49 --keys 49:97:12 --prior learned,spline --json"""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(evaluate)
    app.command(cls=GroupedCommand)(benchmark)


def _settings(*names: str) -> tuple[Field, ...]:
    """Some settings of a run, with those of a comparison."""
    return (*(field for field in fields_of(RunConfig) if field.name in names), *fields_of(ComparisonConfig))


@takes_settings(_settings("stage", "context", "keys", "skeletons", "contacts"), dict)
def evaluate(
    settings: dict[str, Any],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hide all of a dense clip but context and keys, fill it, and score against the truth."""
    from anymole_tui.report import evaluation_table
    from engine import evaluate as evaluate_stage

    evaluations = evaluate_stage(
        settings["stage"],
        contexts=settings["context"],
        keys=settings["keys"],
        priors=settings["prior"],
        skeletons=settings["skeletons"],
        engine=settings["engine"],
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

    result = run_benchmark(
        suite,
        priors=settings["prior"],
        engine=settings["engine"],
        contacts=settings["contacts"],
        progress=Progress(out.narrate_progress),
    )
    saved = save_benchmark(result, save or Path(f"{suite.stem}.results.json"))
    if as_json:
        out.print_json({"saved": str(saved), "benchmark": result})
    else:
        out.answer(benchmark_table(result))
        out.say(f"saved {saved}")
