"""Times, ranges and lists as people type them, on the command line and in forms."""

from engine.errors import ConfigError


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
    """Times of ``--keys``, see :func:`parse_times`."""
    return parse_times(text, "--keys")


def parse_times(text: str | None, option: str) -> list[float]:
    """``T,T,...``; ``A:B:STEP`` stands for the row from A to B."""
    times: list[float] = []
    for part in split(text):
        row = part.split(":")
        if len(row) == 1:
            times.append(_time(part, option))
        elif len(row) == 3:
            first, last, step = (_time(value, option) for value in row)
            times += _row(first, last, step, option)
        else:
            raise ConfigError(
                f"{option} {part!r} is no time; give T,T,... or A:B:STEP, for example 60,90,120."
            )
    return times


MOST_TIMES = 100_000


def _row(first: float, last: float, step: float, option: str) -> list[float]:
    if not (step > 0 and first <= last and (last - first) / step <= MOST_TIMES):
        raise ConfigError(
            f"{option} {first:g}:{last:g}:{step:g} is no row; give A:B:STEP with A < B and STEP > 0."
        )
    return [first + i * step for i in range(int((last - first) / step + 1e-9) + 1)]


def _time(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is no time code; give a number.") from None


def split(text: str | None) -> list[str]:
    """``A,B,...``; nothing where there is no text."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
