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


def check_result(inputs: CheckInputs, context: RunContext) -> dict[str, Any]:
    """Tell what the result has that is wrong and that its source has not (docs/check.md).

    Returns:
        By skeleton path, how the result compares with its source at the keys and in finished motion, as plain values.
    """
    checked = context.cache.get(Stage("check", inputs, _check, save_json, load_json, "check.json"))
    for finding in checked["findings"]:
        context.progress.note(f"{finding['rule']}: {finding['message']}", level="warning")
    compared: dict[str, Any] = checked["source"]
    return compared


def _check(inputs: CheckInputs, work: StageWork) -> dict[str, Any]:
    from usd_io.check.result import compare_result
    from usd_io.check.rules import check_file, check_stage

    before = {(finding.rule, finding.message) for finding in check_stage(inputs.stage)}
    compared = {
        found.skeleton: {
            "exact": found.exact,
            "samples": found.samples,
            "unequal": len(found.unequal),
            "distance": found.distance,
            "local": found.local,
            "time": found.time,
            "changed": found.changed,
        }
        for found in compare_result(inputs.root)
    }
    findings = [
        asdict(finding)
        for finding in check_file(str(inputs.root))
        if finding.severity != "info" and (finding.rule, finding.message) not in before
    ]
    return {"findings": findings, "source": compared}
