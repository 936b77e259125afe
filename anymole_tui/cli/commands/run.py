"""``run``: fill the motion between the keys."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.commands.options import (
    AsJson,
    Author,
    Camera,
    Contexts,
    Debug,
    Detach,
    DryRun,
    Features,
    Force,
    Here,
    HoldContacts,
    Keys,
    Locked,
    OutFolder,
    Preview,
    PriorOption,
    ProgressOption,
    Report,
    Seed,
    Skeletons,
    Solver,
    Stage,
    Truth,
)
from anymole_tui.typed_values import parse_contexts, parse_keys, split
from anymole_tui.wording import describe_plan

if TYPE_CHECKING:
    from engine.config import RunConfig


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(run)


def run(
    stage: Stage,
    skeleton: Skeletons = None,
    context: Contexts = None,
    keys: Keys = None,
    lock: Locked = None,
    engine: Annotated[str, typer.Option(help="How motion is made: auto, motion or video.")] = "auto",
    prior: PriorOption = "auto",
    contacts: HoldContacts = True,
    takes: Annotated[
        int, typer.Option(help="How many motions: the best estimate, and others as plausible.")
    ] = 1,
    seed: Seed = 0,
    out_folder: OutFolder = "",
    author: Author = "rebind",
    truth: Truth = "",
    force: Force = False,
    preview: Preview = True,
    report: Report = True,
    model: Annotated[
        str, typer.Option(help="Video model: dynamicrafter, wan-vace, ltx or tiny.")
    ] = "dynamicrafter",
    prompt: Annotated[str, typer.Option(help="What is to be seen, for the video model.")] = "",
    caption: Annotated[
        str, typer.Option(help="Folder of an image-text model that writes the prompt.", show_default=False)
    ] = "",
    steps: Annotated[int, typer.Option(help="Sampling steps; 0: the video model's own number.")] = 0,
    guidance: Annotated[
        float, typer.Option(help="How strongly video keeps to the prompt; 0: the model's own strength.")
    ] = 0.0,
    adapt: Annotated[
        str, typer.Option(help="How the video model learns the character: auto, full, lora or off.")
    ] = "auto",
    memory: Annotated[str, typer.Option(help="Device memory traded for time: auto, low or high.")] = "auto",
    camera: Camera = "",
    features: Features = "scratch",
    solver: Solver = "map",
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Try the video engine on a hidden piece of the context first.")
    ] = False,
    until: Annotated[
        str, typer.Option(help="Stop after this stage; 'resume' goes on.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill the motion between the keys and author it as a new layer; the source is never touched."""
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
            "contacts": contacts,
            "takes": takes,
            "seed": seed,
            "out": out_folder,
            "author": author,
            "truth": truth,
            "force": force,
            "preview": preview,
            "report": report,
            "model": model,
            "prompt": prompt,
            "caption": caption,
            "steps": steps,
            "guidance": guidance,
            "adapt": adapt,
            "memory": memory,
            "camera": camera,
            "features": features,
            "solver": solver,
            "self_test": self_test,
        }
    )
    if until and not dry_run:
        from engine.run import prepare

        return advance_to(prepare(config), until, progress, as_json=as_json)
    start(config, dry_run=dry_run, detach=detach, here=here, progress=progress, as_json=as_json)


def start(
    config: "RunConfig", *, dry_run: bool, detach: bool, here: bool, progress: str, as_json: bool
) -> None:
    """Do a run, or have it done: the second half of all commands that start one."""
    from dataclasses import asdict

    from anymole_tui.cli import attach as attaching
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine import run as engine_run
    from engine.runs.process import stop_signals

    kind = progress_kind(progress)
    planned = engine_run.plan(config)
    if dry_run:
        plans = [asdict(plan) for plan in planned.plans]
        if as_json:
            out.print_json({"plan": plans, "notes": planned.notes})
        else:
            out.answer("\n".join(map(describe_plan, plans)))
            for warning in (*(w for plan in plans for w in plan["warnings"]), *planned.notes):
                out.say(f"warning: {warning}")
    elif detach:
        attaching.start_detached_run(lambda: engine_run.prepare(config), as_json=as_json)
    elif in_own_process(kind, here=here):
        attaching.start_watched_run(lambda: engine_run.prepare(config), kind, as_json=as_json)
    else:
        with progress_view(kind, as_json=as_json) as view, stop_signals() as stop:
            result = engine_run.run(config, listener(view), stop, planned=planned)
        attaching.answer_run(result, kind, as_json=as_json)


def advance_to(folder: Path, stage: str, progress: str, *, as_json: bool) -> None:
    """Do a run up to the end of a stage, in this process."""
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine.run import advance
    from engine.runs.process import stop_signals
    from usd_io.errors import shown

    with progress_view(progress_kind(progress), as_json=as_json) as view, stop_signals() as stop:
        advance(folder, stage, listener(view), stop)
    if as_json:
        out.print_json({"run": str(folder), "stage": stage})
    else:
        out.answer(f"{stage} is done in {shown(folder)}; 'anymole resume' goes on from there.")


def in_own_process(kind: str, *, here: bool) -> bool:
    """Whether a run leaves this process, so as to outlive a terminal: where a person watches it.

    Elsewhere (farms, scripts, tests) the run is the process that was started, which signals and limits then reach.
    """
    return kind == "rich" and not here and sys.stdin.isatty() and sys.stderr.isatty()
