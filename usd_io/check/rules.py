"""Check a USD file: USD's own validators, and our rules for skeletal animation (docs/check.md)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pxr import Usd

from usd_io.check.animation_samples import animation_prims, read_samples
from usd_io.check.composition import (
    idle_blend_shapes,
    instanced_skeletons,
    mixed_rates,
    shadowed_samples,
    unknown_joints,
)
from usd_io.check.finding import Finding, Severity
from usd_io.check.ignored import (
    bad_binds,
    bound_to_nothing,
    ignored_subsets,
    ignored_types,
    invalid_joints,
    missing_api,
)
from usd_io.check.result import changed_keys, sources
from usd_io.check.samples import bad_values, changing_bones, missing_channels, sign_flips, wrong_lengths
from usd_io.check.usd import usd_findings
from usd_io.diagnostics import captured
from usd_io.judge import Comparison
from usd_io.read.stage import open_stage
from usd_io.sampled import SampleMemory

__all__ = ["Finding", "Severity", "check_file", "check_stage"]

ANIMATION_RULES = (missing_channels, wrong_lengths, bad_values, sign_flips, changing_bones)
STAGE_RULES = (
    unknown_joints,
    shadowed_samples,
    mixed_rates,
    instanced_skeletons,
    idle_blend_shapes,
    ignored_types,
    missing_api,
    invalid_joints,
    bad_binds,
    ignored_subsets,
    bound_to_nothing,
)

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


def check_file(path: str | Path) -> tuple[Finding, ...]:
    """Check a USD file and what it refers to.

    Args:
        path: A file (.usd, .usda, .usdc, .usdz) or whatever else the asset resolver knows.

    Returns:
        Findings, errors first; none for a sound file.

    Raises:
        StageReadError: The file cannot be opened as USD.
    """
    return check_stage(open_stage(path))


def check_stage(stage: Usd.Stage, compared: list[Comparison] | None = None) -> tuple[Finding, ...]:
    """Check an open stage; see :func:`check_file`. How a result compares with its source is added to ``compared``."""
    read = SampleMemory()
    with captured():  # what USD says of broken values, the rules say with a place and a remedy
        found = [*_of_any_stage(stage, read), *changed_keys(stage, compared, read)]
        if any(finding.severity != "info" for finding in found):
            theirs = {(f.rule, f.message) for source in sources(stage) for f in _of_any_stage(source)}
            found = [_as_the_source_has_it(f) if (f.rule, f.message) in theirs else f for f in found]
    return tuple(sorted(found, key=lambda finding: (_ORDER[finding.severity], finding.rule, finding.prim)))


def _of_any_stage(stage: Usd.Stage, read: SampleMemory | None = None) -> tuple[Finding, ...]:
    return (*usd_findings(stage), *_skeletal(stage, read or SampleMemory()))


def _as_the_source_has_it(finding: Finding) -> Finding:
    """A result is not at fault for what it was made of."""
    if finding.severity == "info":
        return finding
    return replace(finding, severity="info", message=f"As in the source: {finding.message}")


def _skeletal(stage: Usd.Stage, read: SampleMemory) -> Iterator[Finding]:
    for prim in animation_prims(stage):
        animation = read_samples(prim, read)
        for on_samples in ANIMATION_RULES:
            yield from on_samples(animation)
    for on_stage in STAGE_RULES:
        yield from on_stage(stage)
