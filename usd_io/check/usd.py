"""The validators that USD brings, as findings."""

from pxr import Usd

from usd_io.check.finding import Finding, Severity
from usd_io.errors import shown
from usd_io.files import has_control_characters

try:
    from pxr import UsdValidation
except ImportError:  # some builds of USD leave it out
    UsdValidation = None


def usd_findings(stage: Usd.Stage) -> tuple[Finding, ...]:
    """Run all registered validators of USD over a stage; nothing where this build of USD has none. Of a path that they
    refuse: SA018 (docs/check.md)."""
    if UsdValidation is None:
        return ()
    source = stage.GetRootLayer().realPath or stage.GetRootLayer().identifier
    if has_control_characters(source):
        message = (
            f"{shown(source)} has a control character in its path: no layer can refer to it, and USD's own validators "
            "refuse to look at it. Rename it."
        )
        return (Finding("SA018", "warning", message, layer=shown(source)),)
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    # a result and its source, which have different names, are to be told the same of the same fault
    name = f"Stage with root layer <{stage.GetRootLayer().identifier}>"
    return tuple(_to_finding(error, name) for error in context.Validate(stage) if not error.HasNoError())


def _to_finding(error: "UsdValidation.ValidationError", stage_name: str) -> Finding:
    severities: dict[object, Severity] = {
        UsdValidation.ValidationErrorType.Error: "error",
        UsdValidation.ValidationErrorType.Warn: "warning",
    }
    site = next(iter(error.GetSites()), None)
    prim = site.GetPrim() if site else None
    spec = site.GetLayer() if site else None
    return Finding(
        rule=shown(error.GetName()),
        severity=severities.get(error.GetType(), "info"),
        message=shown(error.GetMessage().replace(stage_name, "The stage")),
        layer=shown(spec.realPath or spec.identifier) if spec else "",
        prim=shown(prim.GetPath()) if prim else "",
    )
