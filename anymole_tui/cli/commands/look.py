"""``inspect``, ``check`` and ``take``: what is in a stage, whether it is sound, which take a result shows."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand, Stage, completer
from anymole_tui.wording import gap_words
from engine import ConfigError, ExitCode
from usd_io import shown


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand)(inspect)
    app.command(cls=GroupedCommand)(check)
    app.command(cls=GroupedCommand)(take)


def _readers() -> tuple[str, ...]:
    from engine.inspection import reader_names

    return reader_names()


def inspect(
    stage: Stage,
    joints: Annotated[bool, typer.Option("--joints", help="List the joints.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is in a stage: layers, skeletons, finished motion, keys, warnings."""
    from anymole_tui.report import inspection
    from engine import inspect as inspect_stage

    report = inspect_stage(stage)
    if as_json:
        out.print_json(report)
    else:
        out.answer(inspection(report, joints=joints))


def check(
    file: Stage,
    readers: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="READER,READER,...",
            autocompletion=completer(_readers, many=True),
            help="Warn of what these programs drop: blender, three, lightusd, tinyusdz, usd-25.05, usd-24.03.",
            show_default="none",
        ),
    ] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Validate a stage, or the result of a run folder, for skeletal animation; exit code 4 when there are errors."""
    from anymole_tui.report import findings_report
    from engine import check as check_stage
    from engine.runs import STATE, read_run

    folder = Path(file)
    if os.path.isfile(folder / STATE):  # noqa: PTH113  # never raises
        made = read_run(folder).result
        if not made:
            raise ConfigError(f"run {shown(file)} has no result yet.")
        file = str(folder / Path(made).name)
    findings = check_stage(file, [name.strip() for name in readers.split(",")] if readers.strip() else [])
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        out.print_json({"file": file, "valid": not errors, "findings": findings})
    else:
        out.answer(findings_report(file, findings))
    if errors:
        raise typer.Exit(ExitCode.VALIDATION)


def take(
    result: Annotated[
        str,
        typer.Argument(help="Root stage of a result, or the folder or id of its run.", show_default=False),
    ],
    number: Annotated[
        int | None, typer.Argument(help="The take to show, 1 being the best estimate.", show_default="ask")
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option("--gap", help="Choose for this gap alone, counted from 1.", show_default="all"),
    ] = None,
    gap_take: Annotated[
        int | None, typer.Option("--take", help="The take that the gap shows.", show_default="as before")
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Note that the gap is good as it is; a rejected one shows its first take again."
        ),
    ] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Have the gap show what the source has.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Choose which take of a result is shown, in all gaps or in one, or ask what is; the source stays as it is."""
    from engine import choose_take
    from engine.runs import choose_gap, read_gaps

    if gap is None and (accept or reject or gap_take is not None):
        raise ConfigError("--take, --accept and --reject are for one gap; name it with --gap N.")
    if gap is not None and number is not None:
        raise ConfigError(
            "a take for all gaps and --gap exclude each other; give the gap's own with --take N."
        )
    if sum((accept, reject, gap_take is not None)) > 1 and (reject or gap_take == 0):
        raise ConfigError("--reject goes without --take and --accept.")
    takes = choose_take(result, number)
    if gap is not None and (accept or reject or gap_take is not None):
        gaps = choose_gap(result, gap, 0 if reject else gap_take, accepted=True if accept else None)
    else:
        gaps = read_gaps(result, gap)
    if as_json:
        out.print_json({**asdict(takes), "gaps": gaps})
        return
    out.answer(f"{shown(takes.result)} shows take {takes.active or '-'} of {takes.count}")
    for place, chosen in enumerate(gaps, start=1):
        if gap == place or (gap is None and (chosen.accepted or chosen.take != takes.active)):
            out.answer(f"  {gap_words(place, chosen)}")
