"""What ``evaluate`` and ``benchmark`` compare, each setting declared once: see :mod:`engine.settings.setting`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from engine.errors import ConfigError
from engine.settings.choices import PriorName
from engine.settings.packages import PRIORS, added_names
from engine.settings.setting import Setting, checked

ORACLE = "oracle"
"""The engine that fits a video of the truth."""
ALL = "all"
BASELINE = "slerp"
ComparedEngine = Literal["all", "auto", "motion", "oracle"]


def _prior_words() -> tuple[str, ...]:
    own = get_args(PriorName)
    return (ALL, *own, *added_names(PRIORS, own))


@dataclass(frozen=True)
class ComparisonConfig:
    """What is compared with the truth.

    Raises:
        ConfigError: Values of another type, an unknown engine or prior, all in one message.
    """

    engine: Annotated[
        ComparedEngine,
        Setting("auto, motion or all: the motion priors; oracle: also the fit to a video of the truth."),
    ] = "all"
    prior: Annotated[
        tuple[str, ...],
        Setting("Motion priors to compare, or all.", metavar="PRIOR,PRIOR,...|all", words=_prior_words),
    ] = (ALL,)

    __no_type_check__: ClassVar[bool] = True
    """Values are checked below, in words for people, where the tests' checker of types would come first."""

    def __post_init__(self) -> None:
        problems = checked(self)
        if problems:
            raise ConfigError("; ".join(problems.values()) + ".", settings=problems)
        from engine.priors.catalogue import check_prior  # numpy, which help of the command line does without

        for name in self.prior:
            if name != ALL:
                check_prior(name, also=(ALL,))

    @property
    def priors(self) -> tuple[str, ...]:
        """Their names, the baseline of the ratios first; beside the oracle slerp and auto unless others are named."""
        from engine.priors.catalogue import prior_names

        chosen: Sequence[str] = self.prior
        if ALL in chosen:
            chosen = ("auto",) if self.engine == ORACLE and set(chosen) == {ALL} else prior_names()
        return (BASELINE, *(name for name in chosen if name != BASELINE))
