"""``run``: fill the motion between the keys."""

from typing import Annotated

import typer

from anymole_tui import cli_output as out
from anymole_tui.commands.options import (
    AsJson,
    Contexts,
    Debug,
    Keys,
    Skeletons,
    Stage,
    parse_contexts,
    parse_keys,
    split,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(run)


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
            "lock": split(lock),
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
