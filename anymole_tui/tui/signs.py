"""States of runs and stages as a sign, a word and a colour; the colour is never alone."""

SIGNS = {
    "waiting": ("○", "."),
    "running": ("●", ">"),
    "working": ("●", ">"),
    "done": ("✓", "+"),
    "as before": ("=", "="),
    "left out": ("-", "-"),
    "failed": ("✗", "!"),
    "cancelled": ("✗", "x"),
    "stopped": ("◌", "-"),
    "silent": ("?", "?"),
    "unknown": ("?", "?"),
}
STYLES = {
    "running": "$primary",
    "working": "$primary",
    "done": "$success",
    "as before": "$success",
    "failed": "$error",
    "cancelled": "$warning",
    "stopped": "$warning",
    "silent": "$warning",
}


def sign(state: str, *, ascii_only: bool) -> str:
    """One character for a state."""
    return SIGNS.get(state, ("?", "?"))[ascii_only]


def style(state: str) -> str:
    """Its colour; empty: the usual one."""
    return STYLES.get(state, "")
