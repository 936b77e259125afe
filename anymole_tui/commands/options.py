"""Options that several commands take, and how their text is read."""

from typing import Annotated

import typer

from engine.errors import ConfigError

Stage = Annotated[str, typer.Argument(help="A .usd, .usda, .usdc or .usdz file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Skeletons = Annotated[
    list[str] | None,
    typer.Option("--skeleton", help="Prim path of a skeleton; may be repeated.", show_default="all"),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option("--context", help="Range of finished motion, START:END in time codes; may be repeated."),
]
Keys = Annotated[
    str | None,
    typer.Option("--keys", help="Times of the poses to keep, T,T,... in time codes; A:B:STEP for a row."),
]


def parse_contexts(texts: list[str]) -> list[tuple[float, float]]:
    """``START:END`` each."""
    ranges = []
    for text in texts:
        parts = text.split(":")
        if len(parts) != 2:
            raise ConfigError(f"--context {text!r} is no range; give it as START:END, for example 0:60.")
        ranges.append((_time(parts[0], "--context"), _time(parts[1], "--context")))
    return ranges


def parse_keys(text: str | None) -> list[float]:
    """``T,T,...``; ``A:B:STEP`` stands for the row from A to B."""
    keys: list[float] = []
    for part in split(text):
        row = part.split(":")
        if len(row) == 1:
            keys.append(_time(part, "--keys"))
        elif len(row) == 3:
            keys += _row(*(_time(value, "--keys") for value in row))
        else:
            raise ConfigError(f"--keys {part!r} is no time; give T,T,... or A:B:STEP, for example 60,90,120.")
    return keys


MOST_KEYS = 100_000


def _row(first: float, last: float, step: float) -> list[float]:
    if step <= 0 or last < first or (last - first) / step > MOST_KEYS:
        raise ConfigError(
            f"--keys {first:g}:{last:g}:{step:g} is no row; give A:B:STEP with A < B and STEP > 0."
        )
    return [first + i * step for i in range(int((last - first) / step + 1e-9) + 1)]


def _time(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is no time code; give a number.") from None


def split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
