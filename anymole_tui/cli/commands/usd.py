"""``usd``: what usdcat, usdtree and usddiff do, and cutting and moving in time."""

import math
from pathlib import Path
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand
from engine import ConfigError
from usd_io import counted, timecode

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A .usd, .usda, .usdc or .usdz file.", show_default=False)
]
Flatten = Annotated[bool, typer.Option("--flatten", help="All that is composed as one layer.")]
Overwrite = Annotated[bool, typer.Option("--force", help="Replace the file named by --out.")]
OutLayer = Annotated[
    str,
    typer.Option("--out", metavar="FILE", help="The new layer: .usd, .usda or .usdc.", show_default=False),
]
DIFFERENT = 1
"""Exit code of ``usd diff`` where there is a difference, as of diff."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="Look into USD files, compare them, cut and move them in time.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for command in (cat, tree, diff, trim, retime):
        group.command(cls=GroupedCommand)(command)
    app.add_typer(group, name="usd")


def cat(
    file: File,
    flatten: Flatten = False,
    out_file: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Write it to this file instead.", show_default=False)
    ] = "",
    force: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Print a layer as usda text, or write it in the format of another file's name."""
    from usd_io import convert_layer, layer_text

    if out_file:
        convert_layer(file, Path(out_file), flatten=flatten, overwrite=force)
        out.answer(out_file)
    else:
        out.answer(layer_text(file, flatten=flatten).rstrip("\n"))


def tree(
    file: File,
    under: Annotated[str, typer.Option("--under", metavar="PRIM", help="Prim to begin with.")] = "/",
    attributes: Annotated[
        bool, typer.Option("--attributes", "-a", help="Properties and their samples too.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Print the prims of a composed stage as a tree: types, variants, arcs."""
    from usd_io import tree as tree_lines

    for line in tree_lines(file, under=under, attributes=attributes):
        out.answer(line)


def diff(
    first: File,
    second: File,
    flatten: Flatten = False,
    tolerance: Annotated[
        float, typer.Option(metavar="NUMBER", help="Numbers no further apart are the same.")
    ] = 0.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what differs between two files, prim by prim, with numbers compared as such. Exit code 1: something does."""
    from usd_io import differences

    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance is {tolerance:g}; give 0 or more.", settings=("tolerance",))
    found = differences(first, second, flatten=flatten, tolerance=tolerance)
    if as_json:
        out.print_json({"differences": found})
    else:
        signs = {"added": "+", "removed": "-", "changed": "~"}
        for each in found:
            out.answer(f"{signs[each.kind]} {each.path}{f'  {each.text}' if each.text else ''}")
        out.say(f"{counted(len(found), 'difference')}")
    if found:
        raise typer.Exit(DIFFERENT)


def trim(
    file: File,
    out_file: OutLayer,
    time_range: Annotated[
        str, typer.Option("--range", metavar="A:B", help="Time codes to keep.", show_default=False)
    ],
    flatten: Flatten = False,
    force: Overwrite = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a layer with the samples of a range of time alone; the file itself is not touched."""
    from usd_io import trim as cut

    start, end = _range(time_range)
    made = cut(file, Path(out_file), start, end, flatten=flatten, overwrite=force)
    if as_json:
        out.print_json({"out": out_file, **vars(made)})
        return
    out.answer(out_file)
    out.say(
        f"{counted(made.attributes, 'attribute')}: {made.removed} samples cut, {made.added} set at the ends"
    )
    if made.others:
        out.say(
            f"the samples of {counted(len(made.others), 'other layer')} stay as they are; --flatten cuts them too"
        )


def retime(
    file: File,
    out_file: OutLayer,
    scale: Annotated[float, typer.Option(metavar="NUMBER", help="2 makes it twice as long.")] = 1.0,
    offset: Annotated[float, typer.Option(metavar="NUMBER", help="Moves it later, in time codes.")] = 0.0,
    force: Overwrite = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a small layer that shows a file at other times: t becomes t * scale + offset. Nothing is copied."""
    from usd_io import retime as move

    if not (0 < scale < math.inf and math.isfinite(offset)):
        raise ConfigError(
            f"scale is {scale:g} and offset {offset:g}; give a scale above 0 and a finite offset.",
            settings=("scale", "offset"),
        )
    new = move(file, Path(out_file), scale=scale, offset=offset, overwrite=force)
    if as_json:
        out.print_json({"out": out_file, "range": new})
    else:
        out.answer(out_file)
        out.say("" if new is None else f"range {timecode(new[0])}..{timecode(new[1])}")


def _range(text: str) -> tuple[float, float]:
    try:
        start, end = map(float, text.split(":"))
    except ValueError:
        raise ConfigError(
            f"{text!r} is no range; give it as A:B, for example 0:60.", settings=("range",)
        ) from None
    if not start <= end:
        raise ConfigError(f"{text!r} is no range; give the earlier time first.", settings=("range",))
    return start, end
