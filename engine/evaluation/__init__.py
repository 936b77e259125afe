"""How good a result is: filled motion against the truth, over shots and suites.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.evaluation.comparison import RunComparison, Side, make_slerp, read_comparison
    from engine.evaluation.config import ComparisonConfig
    from engine.evaluation.evaluate import Benchmark, save_benchmark
    from engine.evaluation.rows import Evaluation

_HOMES = {
    "Benchmark": "engine.evaluation.evaluate",
    "ComparisonConfig": "engine.evaluation.config",
    "Evaluation": "engine.evaluation.rows",
    "RunComparison": "engine.evaluation.comparison",
    "Side": "engine.evaluation.comparison",
    "make_slerp": "engine.evaluation.comparison",
    "read_comparison": "engine.evaluation.comparison",
    "save_benchmark": "engine.evaluation.evaluate",
}
"""Where each name lives."""

__all__ = [
    "Benchmark",
    "ComparisonConfig",
    "Evaluation",
    "RunComparison",
    "Side",
    "make_slerp",
    "read_comparison",
    "save_benchmark",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
