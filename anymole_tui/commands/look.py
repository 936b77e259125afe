"""``inspect`` and ``check``: what is in a stage, and whether it is sound."""

from typing import Annotated

import typer

from anymole_tui import cli_output as out
from anymole_tui.commands.options import AsJson, Debug, Stage
from engine.errors import ExitCode


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(inspect)
    app.command()(check)


def inspect(
    stage: Stage,
    joints: Annotated[bool, typer.Option("--joints", help="List the joints.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is in a stage: layers, skeletons, dense and sparse keys, warnings."""
    from anymole_tui.report import inspection
    from engine.run import inspect as inspect_stage

    report = inspect_stage(stage)
    if as_json:
        out.print_json(report)
    else:
        out.answer(inspection(report, joints=joints))


def check(file: Stage, as_json: AsJson = False, debug: Debug = False) -> None:
    """Validate a stage for skeletal animation; exit code 4 when there are errors."""
    from anymole_tui.report import findings_report
    from engine.run import check as check_stage

    findings = check_stage(file)
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        out.print_json({"file": file, "valid": not errors, "findings": findings})
    else:
        out.answer(findings_report(file, findings))
    if errors:
        raise typer.Exit(ExitCode.VALIDATION)
