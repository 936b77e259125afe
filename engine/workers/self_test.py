"""The self-test of a plan as a service (:mod:`engine.workers.protocol`): ``python -m engine.workers.self_test``.

The terminal UI asks for it while a run is planned; the trials would take the processor from it. A request is the
settings of a run::

    {"stage": "fox.usda", "keys": [36.0, 48.0]}
    {"tests": {"/Fox/Skel": {"pieces": 4, ...}}}     self-tests as plain values by skeleton
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from engine.config import config_from_mapping
from engine.inspection.draft import Draft
from engine.workers.protocol import main

NICENESS = 10
"""Whoever plans, types."""

_draft = lru_cache(maxsize=1)(Draft)


def answer(request: Mapping[str, Any], stopped: Callable[[], bool]) -> tuple[Mapping[str, Any], bytes]:
    """What is said to one request."""
    config = config_from_mapping(request)
    ready = _draft(config.stage)
    tests = ready.expect(config, ready.plan(config), stopped)
    return {"tests": {path: asdict(test) for path, test in tests.items()}}, b""


if __name__ == "__main__":
    main(answer, NICENESS)
