"""How many samples a result has: ``full`` or ``sparse[:TOLERANCE]``."""

import math

from engine.errors import ConfigError
from usd_io.errors import shown

SPARSE = "sparse"
DEFAULT_PERCENT, MOST_PERCENT = 0.1, 10.0


def parse_samples(text: str) -> float | None:
    """The tolerance of sparse samples [heights]; None of ``full``.

    Raises:
        ConfigError: The text says something else.
    """
    if text == "full":
        return None
    name, colon, percent = text.partition(":")
    try:
        value = float(percent) if colon else DEFAULT_PERCENT
    except ValueError:
        value = math.nan
    if name != SPARSE or not 0 < value <= MOST_PERCENT:
        raise ConfigError(
            f"samples are {shown(text)}; write full, sparse, or sparse:TOLERANCE in % of the height, above 0 and at "
            f"most {MOST_PERCENT:g}.",
            settings=("samples",),
        )
    return value / 100
