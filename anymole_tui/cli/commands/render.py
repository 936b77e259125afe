"""``render``: pictures of a stage."""

import time
from collections.abc import Callable

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand, takes_settings
from engine import Event, RenderConfig, StageProgress
from engine.settings import fields_of

EXAMPLES = """anymole render walk.usda --out frames --video --sheet
anymole render walk.usda --out frames --views front,45 --times 1:49:4 --size 640x1024"""
TALK_INTERVAL_S = 2.0


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(render)


def _narrator() -> Callable[[Event], None]:
    """Notes at once, progress every two seconds and at the end."""
    last = 0.0

    def narrate(event: Event) -> None:
        nonlocal last
        if isinstance(event, StageProgress):
            if event.done == event.total or time.monotonic() - last >= TALK_INTERVAL_S:
                last = time.monotonic()
                out.say(f"drew {event.done} of {event.total} images")
        else:
            out.narrate(event)

    return narrate


@takes_settings(fields_of(RenderConfig), lambda values: RenderConfig(**values))
def render(config: RenderConfig, as_json: AsJson = False, debug: Debug = False) -> None:
    """Draw a stage: images, joint tracks in pixels and cameras as data; on request videos and a contact sheet."""
    from engine import Progress, render_stage

    result = render_stage(config, Progress(_narrator()))
    if as_json:
        out.print_json(result)
        return
    out.answer(f"{result.images} images in {result.folder}, drawn with {result.renderer}")
    for path in (*result.videos, result.sheet, result.data):
        if path:
            out.answer(path)
