"""What a check says of a file."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found. All text is fit for a terminal: names from files are shown escaped."""

    rule: str
    """``SA001`` to ``SA018`` (docs/check.md), the name of a rule of USD's own validators, or ``READER:feature``
    (docs/interop.md)."""
    severity: Severity
    message: str
    """What was found and what to do."""
    layer: str = ""
    prim: str = ""
    """Prim path."""
    time: float | None = None
    """Time code of the first place, where there is one."""
