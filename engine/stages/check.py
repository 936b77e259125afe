"""Run stage *check*: what is wrong with the result and was not with its source."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.stage_cache import RunContext, Stage, StageWork, load_json, save_json

if TYPE_CHECKING:
    from usd_io.judge import Comparison


@dataclass(frozen=True)
class CheckInputs:
    """A result and the stage that it was made of."""

    layers: tuple[str, ...]
    """Hashes of the layers of the source."""
    root: Path
    layer: Path


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
    from usd_io.check.rules import check_stage
    from usd_io.read.stage import open_stage

    comparisons: list[Comparison] = []
    found = check_stage(open_stage(str(inputs.root)), comparisons)
    compared = {
        each.skeleton: {
            "exact": each.exact,
            "samples": each.samples,
            "unequal": len(each.unequal),
            "distance": each.distance,
            "local": each.local,
            "time": each.time,
            "changed": each.changed,
        }
        for each in comparisons
    }
    return {"findings": [asdict(f) for f in found if f.severity != "info"], "source": compared}
