"""Run stage *check*: what is wrong with the result and was not with its source."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.runs.stage_cache import RunContext, Stage, StageWork, load_json, save_json


@dataclass(frozen=True)
class CheckInputs:
    """A result and the stage that it was made of."""

    layers: tuple[str, ...]
    """Hashes of the layers of the source."""
    root: Path
    layer: Path
    stage: Any = field(compare=False, repr=False)
    """The source, open."""


def check_result(inputs: CheckInputs, context: RunContext) -> None:
    """Tell what the result has that is wrong and that its source has not (docs/check.md)."""
    findings = context.cache.get(Stage("check", inputs, _check, save_json, load_json, "check.json"))
    for finding in findings:
        context.progress.note(f"{finding['rule']}: {finding['message']}", level="warning")


def _check(inputs: CheckInputs, work: StageWork) -> list[dict[str, Any]]:
    from usd_io.check.rules import check_file, check_stage

    before = {(finding.rule, finding.message) for finding in check_stage(inputs.stage)}
    return [
        asdict(finding)
        for finding in check_file(str(inputs.root))
        if finding.severity != "info" and (finding.rule, finding.message) not in before
    ]
