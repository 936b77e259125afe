"""``mimic``, ``adapt`` and ``generate``: a video from elsewhere, and single stages of a run with one of our own."""

from typing import Annotated

import typer

from anymole_tui.cli.commands.manage import RunName
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
from anymole_tui.cli.commands.run import advance_to, start
from anymole_tui.typed_values import parse_contexts, parse_keys, split


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (mimic, adapt, generate):
        app.command()(command)


def mimic(
    stage: Stage,
    video: Annotated[
        str, typer.Option(help="A folder of pictures or a video file of the character.", show_default=False)
    ],
    fps: Annotated[
        float, typer.Option(help="Frame rate of the video; 0: what its file says, 15 for a folder.")
    ] = 0.0,
    offset: Annotated[
        float, typer.Option(help="First frame of the video, after the start of the first gap [s].")
    ] = 0.0,
    skeleton: Skeletons = None,
    context: Contexts = None,
    keys: Keys = None,
    lock: Locked = None,
    prior: PriorOption = "auto",
    contacts: HoldContacts = True,
    camera: Camera = "",
    features: Features = "scratch",
    solver: Solver = "map",
    seed: Seed = 0,
    out_folder: OutFolder = "",
    author: Author = "rebind",
    truth: Truth = "",
    force: Force = False,
    preview: Preview = True,
    report: Report = True,
    dry_run: DryRun = False,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fit the motion between the keys to a video of the character, whatever made it, and author it as a new layer."""
    from engine.config import config_from_mapping

    config = config_from_mapping(
        {
            "stage": stage,
            "engine": "video",
            "video": video,
            "video_fps": fps,
            "video_offset": offset,
            "skeletons": skeleton or [],
            "context": parse_contexts(context or []),
            "keys": parse_keys(keys),
            "lock": split(lock),
            "prior": prior,
            "contacts": contacts,
            "camera": camera,
            "features": features,
            "solver": solver,
            "seed": seed,
            "out": out_folder,
            "author": author,
            "truth": truth,
            "force": force,
            "preview": preview,
            "report": report,
        }
    )
    start(config, dry_run=dry_run, detach=detach, here=here, progress=progress, as_json=as_json)


def adapt(
    run: RunName, progress: ProgressOption = "auto", as_json: AsJson = False, debug: Debug = False
) -> None:
    """Do a run up to the end of its stage adapt; 'resume' goes on from there."""
    _advance(run, "adapt", progress, as_json=as_json)


def generate(
    run: RunName, progress: ProgressOption = "auto", as_json: AsJson = False, debug: Debug = False
) -> None:
    """Do a run up to the end of its stage generate; 'resume' goes on from there."""
    _advance(run, "generate", progress, as_json=as_json)


def _advance(name: str, stage: str, progress: str, *, as_json: bool) -> None:
    from engine.runs.registry import find_run

    advance_to(find_run(name), stage, progress, as_json=as_json)
