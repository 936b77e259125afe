"""The command line: arguments -> settings -> :mod:`engine`; answers on stdout, talk on stderr.

Nothing heavy is imported here: each command imports what it runs, so that ``--help`` is quick.
"""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from anymole_tui import cli_output as out
from engine.errors import ConfigError, ExitCode

app = typer.Typer(
    name="anymole",
    help="Fill in the motion between keys, for any character, on USD stages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Stage = Annotated[str, typer.Argument(help="A .usd, .usda, .usdc or .usdz file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Skeletons = Annotated[
    list[str] | None,
    typer.Option("--skeleton", help="Prim path of a skeleton; may be repeated.", show_default="all"),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option("--context", help="Range of finished motion, START:END in time codes; may be repeated."),
]
Keys = Annotated[
    str | None,
    typer.Option("--keys", help="Times of the poses to keep, T,T,... in time codes; A:B:STEP for a row."),
]


@app.command()
def inspect(
    stage: Stage,
    joints: Annotated[bool, typer.Option("--joints", help="List the joints.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is in a stage: layers, skeletons, dense and sparse keys, warnings."""
    from anymole_tui.report import inspection
    from engine.run import inspect as inspect_stage

    report = inspect_stage(stage)
    if as_json:
        out.print_json(report)
    else:
        out.answer(inspection(report, joints=joints))


@app.command()
def run(
    stage: Stage,
    skeleton: Skeletons = None,
    context: Contexts = None,
    keys: Keys = None,
    lock: Annotated[
        str | None, typer.Option("--lock", help="Joints that stay as authored: names or patterns, J,J,...")
    ] = None,
    engine: Annotated[str, typer.Option(help="How motion is made: auto or motion.")] = "auto",
    prior: Annotated[str, typer.Option(help="Motion prior: auto, context, spline, slerp or hold.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    folder: Annotated[
        str, typer.Option("--out", help="Run folder.", show_default="STEM_inbetween beside the stage")
    ] = "",
    author: Annotated[
        str, typer.Option(help="How the result is authored: rebind, over or variant.")
    ] = "rebind",
    truth: Annotated[
        str, typer.Option(help="A stage with the true motion, to score against.", show_default=False)
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier result in the run folder.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill the motion between the keys and author it as a new layer; the source is never touched."""
    from dataclasses import asdict

    from anymole_tui.report import run_report
    from engine import run as engine_run
    from engine.config import config_from_mapping

    config = config_from_mapping(
        {
            "stage": stage,
            "skeletons": skeleton or [],
            "context": parse_contexts(context or []),
            "keys": parse_keys(keys),
            "lock": _split(lock),
            "engine": engine,
            "prior": prior,
            "seed": seed,
            "out": folder,
            "author": author,
            "truth": truth,
            "force": force,
        }
    )
    planned = engine_run.plan(config)
    if dry_run:
        plans = [asdict(plan) for plan in planned.plans]
        if as_json:
            out.print_json({"plan": plans, "notes": planned.notes})
        else:
            out.answer("\n".join(map(out.describe_plan, plans)))
        return
    result = engine_run.run(config, on_event=out.narrate, planned=planned)
    if as_json:
        out.print_json(result)
    else:
        out.answer(run_report(result))


@app.command()
def check(file: Stage, as_json: AsJson = False, debug: Debug = False) -> None:
    """Validate a stage for skeletal animation; exit code 4 when there are errors."""
    from anymole_tui.report import findings_report
    from engine.run import check as check_stage

    findings = check_stage(file)
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        out.print_json({"file": file, "valid": not errors, "findings": findings})
    else:
        out.answer(findings_report(file, findings))
    if errors:
        raise typer.Exit(ExitCode.VALIDATION)


@app.command()
def evaluate(
    stage: Stage,
    context: Contexts = None,
    keys: Keys = None,
    skeleton: Skeletons = None,
    engine: Annotated[str, typer.Option(help="Engine to evaluate: auto, motion or all.")] = "all",
    prior: Annotated[str, typer.Option(help="Priors to compare, P,P,... or all.")] = "all",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hide all of a dense clip but context and keys, fill it, and score against the truth."""
    from anymole_tui.report import evaluation_table
    from engine.evaluate import evaluate as evaluate_stage

    _check_engine(engine)
    evaluations = evaluate_stage(
        stage,
        contexts=parse_contexts(context or []),
        keys=parse_keys(keys),
        priors=_split(prior),
        skeletons=skeleton or [],
    )
    if as_json:
        out.print_json({"evaluations": evaluations})
    else:
        out.answer("\n\n".join(map(evaluation_table, evaluations)))


@app.command()
def benchmark(
    suite: Annotated[Path, typer.Argument(help="A TOML file with [[case]] tables.", show_default=False)],
    engine: Annotated[str, typer.Option(help="Engine to evaluate: auto, motion or all.")] = "all",
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
    from engine.evaluate import benchmark as run_benchmark
    from engine.evaluate import save_benchmark
    from engine.progress import Progress

    _check_engine(engine)
    progress = Progress(out.narrate_progress)
    result = run_benchmark(suite, priors=_split(prior), progress=progress)
    saved = save_benchmark(result, save or Path(f"{suite.stem}.results.json"))
    if as_json:
        out.print_json({"saved": str(saved), "benchmark": result})
    else:
        out.answer(benchmark_table(result))
        out.say(f"saved {saved}")


def parse_contexts(texts: list[str]) -> list[tuple[float, float]]:
    """``START:END`` each."""
    ranges = []
    for text in texts:
        parts = text.split(":")
        if len(parts) != 2:
            raise ConfigError(f"--context {text!r} is no range; give it as START:END, for example 0:60.")
        ranges.append((_time(parts[0], "--context"), _time(parts[1], "--context")))
    return ranges


def parse_keys(text: str | None) -> list[float]:
    """``T,T,...``; ``A:B:STEP`` stands for the row from A to B."""
    keys: list[float] = []
    for part in _split(text):
        row = part.split(":")
        if len(row) == 1:
            keys.append(_time(part, "--keys"))
        elif len(row) == 3:
            keys += _row(*(_time(value, "--keys") for value in row))
        else:
            raise ConfigError(f"--keys {part!r} is no time; give T,T,... or A:B:STEP, for example 60,90,120.")
    return keys


MOST_KEYS = 100_000


def _row(first: float, last: float, step: float) -> list[float]:
    if step <= 0 or last < first or (last - first) / step > MOST_KEYS:
        raise ConfigError(
            f"--keys {first:g}:{last:g}:{step:g} is no row; give A:B:STEP with A < B and STEP > 0."
        )
    return [first + i * step for i in range(int((last - first) / step + 1e-9) + 1)]


def _time(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is no time code; give a number.") from None


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _check_engine(engine: str) -> None:
    if engine not in ("auto", "motion", "all"):
        raise ConfigError(f"--engine {engine!r} is unknown; choose auto, motion or all.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code (docs/cli.md)."""
    argv = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in argv
    try:
        app(argv, prog_name="anymole")
    except SystemExit as stop:
        if as_json and stop.code == ExitCode.USAGE:  # typer has said on stderr what it did not understand
            out.print_json({"error": "the command line was not understood", "exit_code": int(ExitCode.USAGE)})
        raise
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in argv:
            traceback.print_exception(error)
        sys.exit(int(out.fail(error, as_json=as_json)))
