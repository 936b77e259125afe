"""Options that several commands take, and how their text is read."""

from typing import Annotated

import typer

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
Report = Annotated[
    bool, typer.Option("--report/--no-report", help="Write report.html: player, plots, scores in one file.")
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
