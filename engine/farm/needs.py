"""What a shot takes of a farm; importing this takes no time."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from engine.errors import ConfigError
from engine.settings.setting import Setting, checked

NEEDS = "What a shot takes"


@dataclass(frozen=True)
class Needs:
    """What one shot takes."""

    gpus: Annotated[int, Setting("GPUs per shot.", NEEDS, least=0)] = 0
    memory_gb: Annotated[
        float, Setting("Memory per shot [GB].", NEEDS, flag="memory", above=0, below=1e5)
    ] = 4.0
    cpus: Annotated[int, Setting("CPU cores per shot.", NEEDS, least=1)] = 2
    timeout_min: Annotated[
        float, Setting("Time limit per shot [min].", NEEDS, flag="timeout", above=0, below=1e6)
    ] = 240.0
    retries: Annotated[int, Setting("Further tries after a failure that may pass.", NEEDS, least=0)] = 1

    __no_type_check__: ClassVar[bool] = True
    """Values are checked below, in words for people."""

    def __post_init__(self) -> None:
        if problems := checked(self):
            raise ConfigError("; ".join(problems.values()) + ".", settings=problems)
