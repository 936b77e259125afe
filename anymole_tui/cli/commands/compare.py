"""``evaluate`` and ``benchmark``: priors against the truth."""

from pathlib import Path
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.commands.options import AsJson, Contexts, Debug, HoldContacts, Keys, Skeletons, Stage
from anymole_tui.typed_values import parse_contexts, parse_keys, split
from engine.errors import ConfigError

_ENGINES = "auto, motion or all: the motion priors; oracle: also the fit to a video of the truth."


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(evaluate)
    app.command()(benchmark)


def evaluate(
    stage: Stage,
    context: Contexts = None,
    keys: Keys = None,
    skeleton: Skeletons = None,
    engine: Annotated[str, typer.Option(help=_ENGINES)] = "all",
    prior: Annotated[str, typer.Option(help="Priors to compare, P,P,... or all.")] = "all",
    contacts: HoldContacts = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hide all of a dense clip but context and keys, fill it, and score against the truth."""
    from anymole_tui.report import evaluation_table
    from engine.evaluation.evaluate import evaluate as evaluate_stage

    _check_engine(engine)
    evaluations = evaluate_stage(
        stage,
        contexts=parse_contexts(context or []),
        keys=parse_keys(keys),
        priors=split(prior),
        skeletons=skeleton or [],
        engine=engine,
        contacts=contacts,
    )
    if as_json:
        out.print_json({"evaluations": evaluations})
    else:
        out.answer("\n\n".join(map(evaluation_table, evaluations)))


def benchmark(
    suite: Annotated[Path, typer.Argument(help="A TOML file with [[case]] tables.", show_default=False)],
    engine: Annotated[str, typer.Option(help=_ENGINES)] = "all",
    prior: Annotated[str, typer.Option(help="Priors to compare, P,P,... or all.")] = "all",
    contacts: HoldContacts = True,
    save: Annotated[
        Path | None,
        typer.Option("--out", help="Where to save the table as JSON.", show_default="SUITE.results.json"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Evaluate a list of clips; print and save the table with mean and worst ratio to slerp."""
    from anymole_tui.report import benchmark_table
    from engine.evaluation.evaluate import benchmark as run_benchmark
    from engine.evaluation.evaluate import save_benchmark
    from engine.progress import Progress

    _check_engine(engine)
    progress = Progress(out.narrate_progress)
    result = run_benchmark(suite, priors=split(prior), engine=engine, contacts=contacts, progress=progress)
    saved = save_benchmark(result, save or Path(f"{suite.stem}.results.json"))
    if as_json:
        out.print_json({"saved": str(saved), "benchmark": result})
    else:
        out.answer(benchmark_table(result))
        out.say(f"saved {saved}")


def _check_engine(engine: str) -> None:
    if engine not in ("auto", "motion", "all", "oracle"):
        raise ConfigError(f"--engine {engine!r} is unknown; choose auto, motion, all or oracle.")
