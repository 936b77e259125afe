"""Options that several commands take, and how their text is read."""

from typing import Annotated

import typer

from engine.errors import ConfigError

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

ProgressOption = Annotated[
    str,
    typer.Option("--progress", help="How progress is shown: auto, rich, plain, json, openjd or none."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Start it, say where it is, and leave it to itself.")]
Here = Annotated[
    bool, typer.Option("--here", help="Work in this process, even where a person watches in a terminal.")
]
Locked = Annotated[
    str | None, typer.Option("--lock", help="Joints that stay as authored: names or patterns, J,J,...")
]
PriorOption = Annotated[
    str, typer.Option("--prior", help="Motion prior: auto, learned, context, spline, slerp or hold.")
]
HoldContacts = Annotated[
    bool,
    typer.Option("--contacts/--no-contacts", help="Let joints that rest, as feet do, stay in their place."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
OutFolder = Annotated[
    str, typer.Option("--out", help="Run folder.", show_default="STEM_inbetween beside the stage")
]
Author = Annotated[str, typer.Option(help="How the result is authored: rebind, over or variant.")]
Truth = Annotated[
    str, typer.Option(help="A stage with the true motion, to score against.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result in the run folder.")]
Preview = Annotated[
    bool, typer.Option("--preview/--no-preview", help="Draw the result beside slerp and the keys.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
Camera = Annotated[
    str,
    typer.Option(
        help="The video's camera: a prim path, the render.json it was drawn with, or a view: front, left, right, "
        "back or an azimuth.",
        show_default="of a given video the front, else what tells most",
    ),
]
Features = Annotated[str, typer.Option(help="What the joint estimator looks at: scratch or dinov2+fit3d.")]
Solver = Annotated[str, typer.Option(help="How motion is fitted to video: map, or as in the paper: paper.")]


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
    """Times of ``--keys``, see :func:`parse_times`."""
    return parse_times(text, "--keys")


def parse_times(text: str | None, option: str) -> list[float]:
    """``T,T,...``; ``A:B:STEP`` stands for the row from A to B."""
    times: list[float] = []
    for part in split(text):
        row = part.split(":")
        if len(row) == 1:
            times.append(_time(part, option))
        elif len(row) == 3:
            first, last, step = (_time(value, option) for value in row)
            times += _row(first, last, step, option)
        else:
            raise ConfigError(
                f"{option} {part!r} is no time; give T,T,... or A:B:STEP, for example 60,90,120."
            )
    return times


MOST_TIMES = 100_000


def _row(first: float, last: float, step: float, option: str) -> list[float]:
    if not (step > 0 and first <= last and (last - first) / step <= MOST_TIMES):
        raise ConfigError(
            f"{option} {first:g}:{last:g}:{step:g} is no row; give A:B:STEP with A < B and STEP > 0."
        )
    return [first + i * step for i in range(int((last - first) / step + 1e-9) + 1)]


def _time(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is no time code; give a number.") from None


def split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
