"""Errors in the words of an animator: how far the joints are off, in a length one knows and in % of the height.

The metric L2P (:mod:`engine.geometry.metrics`) adds up over all joints. Divided by the square root of their number it
is the root mean square over the joints: how far off one of them is.
"""

import math

STEPS = ((1.0, "m"), (0.01, "cm"), (0.001, "mm"))
"""Units of length [m]; the largest in which the number is at least 1 is taken."""
NOTHING = 0.0005
"""Less than this part of the height is called nothing."""
TOUR = (
    "the tiny model is a tour of the method. Its confidence says nothing of quality and is not to be"
    " compared with the one of another model or engine"
)
"""Said of every result that it made."""


def joint_error(l2p: float, joints: int) -> float:
    """Root mean square over the joints [heights] of an L2P over as many of them [heights]."""
    return l2p / math.sqrt(max(joints, 1))


def length(units: float, meters_per_unit: float) -> str:
    """A length [stage units] in metres, centimetres or millimetres, with two figures."""
    meters = units * meters_per_unit
    if meters <= 0 or not math.isfinite(meters):
        return "0 cm"
    step, name = next((pair for pair in STEPS if meters >= pair[0]), STEPS[-1])
    return f"{_two_figures(meters / step)} {name}"


def in_full(error: float, height: float) -> str:
    """An error [heights] in stage units and in % of the height [stage units]."""
    if error < NOTHING:
        return f"less than {100 * NOTHING:g} % of the height"
    return f"{_two_figures(error * height)} stage units, {_two_figures(100 * error)} % of the height"


def about(error: float, height: float, meters_per_unit: float) -> str:
    """``about 3 cm off`` or ``not visibly off``, for an error [heights] and a height [stage units]."""
    if error < NOTHING:
        return "not visibly off"
    return f"about {length(error * height, meters_per_unit)} off"


def _two_figures(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
