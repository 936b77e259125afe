"""A submission on a Ray cluster that exists: one Ray task per shot or chunk of shots, placed and retried by Ray."""

import subprocess
from collections.abc import Callable
from typing import Any

from engine.errors import EngineError
from engine.farm.batch import NOT_RETRIED, Submission
from engine.farm.pool import OnShot
from engine.runs.process import python_environment
from usd_io.errors import shown


class ShotFailed(RuntimeError):
    """A shot ended in a way that another try may fix; Ray tries again."""


def run_on_ray(batch: Submission, *, address: str, on_shot: OnShot, stop: Callable[[], bool]) -> None:
    """Run all shots as tasks of a cluster.

    Args:
        batch: The shots; their files are seen from all nodes by the same paths.
        address: Of the cluster, as ``ray.init`` takes it; ``local`` starts one for this call.
        on_shot: Called when a shot ends.
        stop: Called often; when it returns True or raises, tasks are cancelled.

    Raises:
        EngineError: Ray is not installed or the cluster is not reached.
    """
    ray = _ray()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineError(f"the Ray cluster {shown(address)} is not reached: {shown(error)}") from error
    try:
        _gather(ray, batch, on_shot, stop)
    finally:
        ray.shutdown()


def _gather(ray: Any, batch: Submission, on_shot: OnShot, stop: Callable[[], bool]) -> None:
    needs = batch.needs
    remote = ray.remote(_task).options(
        num_cpus=needs.cpus,
        num_gpus=needs.gpus,
        memory=int(needs.memory_gb * 2**30),
        max_retries=needs.retries,
        retry_exceptions=[ShotFailed],
    )
    waiting = {
        remote.remote(
            batch.task(*numbers), python_environment(), needs.timeout_min * 60 * len(numbers)
        ): numbers
        for numbers in batch.chunks()
    }
    try:
        while waiting and not stop():
            done, _ = ray.wait(list(waiting), num_returns=1, timeout=0.5)
            for task in done:
                for number in waiting.pop(task):
                    shot = batch.shots[number - 1]
                    on_shot(shot, batch.record(shot).state)
    finally:
        for task in waiting:
            ray.cancel(task)


def _task(command: list[str], env: dict[str, str], timeout_s: float) -> int:
    """A process of one shot or more, on a node."""
    done = subprocess.run(command, env=env, timeout=timeout_s, check=False)
    if done.returncode not in NOT_RETRIED:
        raise ShotFailed(f"exit code {done.returncode}")
    return done.returncode


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise EngineError("this target needs Ray; install it with: pip install 'anymole[ray]'") from None
    return ray
