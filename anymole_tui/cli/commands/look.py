"""``inspect``, ``check`` and ``take``: what is in a stage, whether it is sound, which take a result shows."""

from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, Stage
from engine.errors import ExitCode
from usd_io.errors import shown


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(inspect)
    app.command()(check)
    app.command()(take)


def inspect(
    stage: Stage,
    joints: Annotated[bool, typer.Option("--joints", help="List the joints.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is in a stage: layers, skeletons, dense and sparse keys, warnings."""
    from anymole_tui.report import inspection
    from engine.inspection.report import inspect as inspect_stage

    report = inspect_stage(stage)
    if as_json:
        out.print_json(report)
    else:
        out.answer(inspection(report, joints=joints))


def check(file: Stage, as_json: AsJson = False, debug: Debug = False) -> None:
    """Validate a stage for skeletal animation; exit code 4 when there are errors."""
    from anymole_tui.report import findings_report
    from engine.inspection.report import check as check_stage

    findings = check_stage(file)
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
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Choose which take of a result is shown, or ask which one is; only the result's root stage changes."""
    from engine.runs.takes import choose_take

    takes = choose_take(result, number)
    if as_json:
        out.print_json(takes)
    else:
        out.answer(f"{shown(takes.result)} shows take {takes.active or '-'} of {takes.count}")
