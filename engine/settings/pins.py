"""How a pinned joint is written: ``JOINT@A:B``."""

import math

from engine.errors import ConfigError
from usd_io.errors import shown


def parse_pin(text: str) -> tuple[str, float, float]:
    """The joint (name, path or shell pattern) and the first and the last time code of ``JOINT@A:B``.

    Raises:
        ConfigError: The text says something else.
    """
    joint, _, times = text.rpartition("@")
    try:
        start, end = (float(part) for part in times.split(":"))
        if not joint or not math.isfinite(start) or not math.isfinite(end) or start > end:
            raise ValueError(text)
    except ValueError:
        raise ConfigError(
            f"{shown(text)} pins nothing; write JOINT@A:B, a joint and two time codes, as in Hand_L@24:48.",
            settings=("pin",),
        ) from None
    return joint, start, end
