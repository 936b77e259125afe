"""A submission on this machine: submitit runs every chunk of shots as a process of its own, a few at a
time."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from engine.errors import ConfigError, EngineError, ExitCode
from engine.farm.batch import NOT_RETRIED, Submission, is_current
from engine.farm.shots import JOBS, ShotTask
from engine.runs.process import python_environment, request_cancel
from engine.runs.workspace import Workspace

POLL_S = 0.05
SPARE_MIN = 1.0
"""A shot that was asked to stop has so long to save."""

OnShot = Callable[[ShotTask, str], None]
"""Called with every shot that ends and its state."""


def run_pool(
    batch: Submission, *, jobs: int, on_shot: OnShot, stop: Callable[[], bool], gpus: int = 0
) -> None:
    """Run all shots, ``jobs`` at a time; one that fails is tried again and never keeps the others from going on.

    Args:
        batch: The shots.
        jobs: Processes at a time; with ``gpus``, one per GPU at most.
        on_shot: Called when a shot ends.
        stop: Called often; when it returns True or raises, shots at work save and stop, and no other begins.
        gpus: GPUs of this machine; shots that need some get them in turn.
    """
    load_submitit()  # here, before any thread
    places = _Places(batch, gpus)
    width = max(1, min(jobs, places.count or jobs, len(batch.chunks())))
    stopping = threading.Event()
    with ThreadPoolExecutor(width) as pool:
        chunks = iter(batch.chunks())
        lock = threading.Lock()
        workers = [
            pool.submit(_work, batch, _shared(chunks, lock), places, on_shot, stopping) for _ in range(width)
        ]
        try:
            while not all(worker.done() for worker in workers):
                if stop():
                    break
                time.sleep(POLL_S)
        finally:
            stopping.set()
    for worker in workers:
        worker.result()


def _shared(chunks: Iterator[tuple[int, ...]], lock: threading.Lock) -> Iterator[tuple[int, ...]]:
    while True:
        with lock:
            numbers = next(chunks, None)
        if numbers is None:
            return
        yield numbers


class _Places:
    """Which GPUs a process may see."""

    def __init__(self, batch: Submission, gpus: int) -> None:
        need = batch.needs.gpus
        if need > gpus:
            raise ConfigError(
                f"a shot needs {need} GPUs and {gpus} are here; ask for fewer or use another machine.",
                settings=("gpus",),
            )
        groups = [tuple(range(i, i + need)) for i in range(0, gpus - need + 1, need)] if need else []
        self.count, self._free, self._lock = len(groups), groups, threading.Lock()

    def take(self) -> tuple[int, ...]:
        with self._lock:
            return self._free.pop() if self._free else ()

    def give(self, group: tuple[int, ...]) -> None:
        if group:
            with self._lock:
                self._free.append(group)


def _work(
    batch: Submission,
    chunks: Iterator[tuple[int, ...]],
    places: _Places,
    on_shot: OnShot,
    stopping: threading.Event,
) -> None:
    for numbers in chunks:
        if stopping.is_set():
            return
        to_do = [n for n in numbers if not is_current(batch.shots[n - 1], batch.out)]
        if to_do:
            group = places.take()
            try:
                _try(batch, to_do, group, stopping)
            finally:
                places.give(group)
        for number in numbers:
            shot = batch.shots[number - 1]
            on_shot(shot, batch.record(shot).state)


def _try(batch: Submission, numbers: list[int], group: tuple[int, ...], stopping: threading.Event) -> None:
    """Do some shots in one process; those that fail, or that it did not come to, again in another."""
    tries = dict.fromkeys(numbers, 0)
    left = numbers
    while left and not stopping.is_set():
        before = {n: _stand(batch, n) for n in left}
        job = _submit(batch, left, group)
        asked: set[int] = set()
        ends, late = time.monotonic() + batch.needs.timeout_min * 60 * len(left), False
        while not job.done():
            late = late or time.monotonic() > ends
            if stopping.is_set() or late:
                _ask_to_stop(batch, left, asked)
            time.sleep(POLL_S)
        _tidy(job)
        # a process that was killed takes the shot at work with it, not those that it had not begun
        begun = [n for n in left if _stand(batch, n) != before[n]]
        for number in begun or left:
            tries[number] += 1
            if late and not stopping.is_set():
                _tell_late(batch, number)
        left = [n for n in left if not _settled(batch, n) and tries[n] <= batch.needs.retries]


def _stand(batch: Submission, number: int) -> object:
    """What changes in the record of a shot when a process works on it."""
    record = batch.record(batch.shots[number - 1])
    return record.state, record.exit_code, record.percent, record.id


def _settled(batch: Submission, number: int) -> bool:
    record = batch.record(batch.shots[number - 1])
    return not record.live and record.exit_code in NOT_RETRIED


def _tell_late(batch: Submission, number: int) -> None:
    """Write down of a shot that is not done why its process was stopped."""
    shot = batch.shots[number - 1]
    if batch.record(shot).state in ("done", "failed"):
        return
    limit = f"{batch.needs.timeout_min:g} min"
    with suppress(EngineError):  # a process that cannot be stopped has the folder still
        workspace = Workspace(shot.folder(batch.out))
        workspace.state(
            "failed",
            exit_code=int(ExitCode.TERMINATED),
            message=f"it took longer than its time limit of {limit}; allow more. What was done is kept.",
        )
        workspace.close()


def _ask_to_stop(batch: Submission, numbers: list[int], asked: set[int]) -> None:
    """Ask the shot at work to save and stop, which ends its process."""
    for number in numbers:
        shot = batch.shots[number - 1]
        # not before it has begun: what it does not hear yet it would not obey
        if number not in asked and batch.record(shot).state == "running":
            asked.add(number)
            with suppress(EngineError):
                request_cancel(shot.folder(batch.out))


def _submit(batch: Submission, numbers: list[int], group: tuple[int, ...]) -> Any:
    submitit = load_submitit()
    executor = submitit.LocalExecutor(batch.out / JOBS)
    executor.update_parameters(
        # it would kill without a word; the pool itself asks the run to stop before that
        timeout_min=batch.needs.timeout_min * len(numbers) + SPARE_MIN,
        gpus_per_node=len(group),
        visible_gpus=group,
        tasks_per_node=1,
    )
    return executor.submit(
        submitit.helpers.CommandFunction(batch.task(*numbers), verbose=False, env=python_environment())
    )


def _tidy(job: Any) -> None:
    """Logs stay; submitit's own hand-over files are of no use once a job has ended."""
    for path in (job.paths.submitted_pickle, job.paths.result_pickle):
        with suppress(OSError):
            path.unlink()


def load_submitit() -> Any:
    """The library. Its own processes inherit our environment, in which from now on nothing is imported from the
    current folder."""
    import submitit

    os.environ.update(python_environment())
    return submitit
