"""``render``: pictures of a stage."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.commands.options import AsJson, Debug, Skeletons, Stage
from anymole_tui.typed_values import parse_times
from engine.events import Event, StageProgress


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(render)


TALK_INTERVAL_S = 2.0


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


def render(
    stage: Stage,
    folder: Annotated[str, typer.Option("--out", help="Folder for the pictures.", show_default=False)],
    skeleton: Skeletons = None,
    times: Annotated[
        str | None,
        typer.Option(help="Time codes, T,T,... or A:B:STEP.", show_default="every frame"),
    ] = None,
    views: Annotated[
        str, typer.Option(help="front, left, right, back or azimuths in degrees, V,V,...")
    ] = "front,left,right,back",
    elevation: Annotated[float, typer.Option(help="Of the views, in degrees above the horizon.")] = 10.0,
    camera: Annotated[
        str,
        typer.Option(help="Prim path of a camera of the stage, instead of the views.", show_default=False),
    ] = "",
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "320x512",
    appearance: Annotated[
        str, typer.Option(help="textured, shaded or canonical (colours of bind-pose positions, no light).")
    ] = "textured",
    renderer: Annotated[str, typer.Option(help="auto, torch or pyrender.")] = "auto",
    ground: Annotated[bool, typer.Option("--ground/--no-ground", help="Draw a checkered ground.")] = True,
    video: Annotated[bool, typer.Option("--video", help="Write an mp4 per view, too.")] = False,
    sheet: Annotated[bool, typer.Option("--sheet", help="Write a contact sheet, too.")] = False,
    threads: Annotated[int, typer.Option(help="Threads to draw with; 0: as many as there are.", min=0)] = 1,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw a stage: images, joint tracks in pixels and cameras as data; on request videos and a contact sheet."""
    from engine.progress import Progress
    from engine.render_command.config import RenderConfig, chosen, with_size
    from engine.render_command.run import render_stage
    from engine.rendering.framing import parse_views
    from engine.rendering.mesh.surface import Appearance
    from engine.rendering.renderers import RendererName

    config = with_size(
        RenderConfig(
            stage=stage,
            out=folder,
            skeletons=tuple(skeleton or ()),
            times=tuple(parse_times(times, "--times")),
            views=parse_views(views),
            elevation_deg=elevation,
            camera=camera,
            appearance=chosen("--appearance", appearance, Appearance),
            renderer=chosen("--renderer", renderer, RendererName),
            ground=ground,
            video=video,
            sheet=sheet,
            threads=threads,
        ),
        size,
    )
    result = render_stage(config, Progress(_narrator()))
    if as_json:
        out.print_json(result)
        return
    out.answer(f"{result.images} images in {result.folder}, drawn with {result.renderer}")
    for path in (*result.videos, result.sheet, result.data):
        if path:
            out.answer(path)
