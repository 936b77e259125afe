"""``run``: fill the motion between the keys."""

import sys
from typing import Annotated

import typer

from anymole_tui import cli_output as out
from anymole_tui.commands.options import (
    AsJson,
    Contexts,
    Debug,
    Detach,
    Here,
    Keys,
    ProgressOption,
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
    prior: Annotated[
        str, typer.Option(help="Motion prior: auto, learned, context, spline, slerp or hold.")
    ] = "auto",
    takes: Annotated[
        int, typer.Option(help="How many motions: the best estimate, and others as plausible.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    out_folder: Annotated[
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
    preview: Annotated[
        bool, typer.Option("--preview/--no-preview", help="Draw the result beside slerp and the keys.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill the motion between the keys and author it as a new layer; the source is never touched."""
    from dataclasses import asdict

    from anymole_tui import attaching
    from anymole_tui.progress_view import listener, progress_kind, progress_view
    from engine import run as engine_run
    from engine.config import config_from_mapping
    from engine.process import stop_signals

    config = config_from_mapping(
        {
            "stage": stage,
            "skeletons": skeleton or [],
            "context": parse_contexts(context or []),
            "keys": parse_keys(keys),
            "lock": split(lock),
            "engine": engine,
            "prior": prior,
            "takes": takes,
            "seed": seed,
            "out": out_folder,
            "author": author,
            "truth": truth,
            "force": force,
            "preview": preview,
        }
    )
    kind = progress_kind(progress)
    planned = engine_run.plan(config)
    if dry_run:
        plans = [asdict(plan) for plan in planned.plans]
        if as_json:
            out.print_json({"plan": plans, "notes": planned.notes})
        else:
            out.answer("\n".join(map(out.describe_plan, plans)))
            for warning in (*(w for plan in plans for w in plan["warnings"]), *planned.notes):
                out.say(f"warning: {warning}")
    elif detach:
        folder = engine_run.prepare(config)
        attaching.launch(folder)
        attaching.say_detached(folder, as_json=as_json)
    elif in_own_process(kind, here=here):
        folder = engine_run.prepare(config)
        attaching.watch(folder, kind, as_json=as_json, start=True)
    else:
        with progress_view(kind, as_json=as_json) as view, stop_signals() as stop:
            result = engine_run.run(config, listener(view), stop, planned=planned)
        attaching.answer_run(result, kind, as_json=as_json)


def in_own_process(kind: str, *, here: bool) -> bool:
    """Whether a run leaves this process, so as to outlive a terminal: where a person watches it.

    Elsewhere (farms, scripts, tests) the run is the process that was started, which signals and limits then reach.
    """
    return kind == "rich" and not here and sys.stdin.isatty() and sys.stderr.isatty()
