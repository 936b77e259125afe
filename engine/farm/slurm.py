"""A submission as a Slurm array, through submitit: one array task per shot or chunk of shots."""

import math
from typing import Any

from engine.errors import EngineError
from engine.farm.batch import Submission
from engine.farm.pool import load_submitit
from engine.farm.shots import JOBS
from usd_io.errors import shown

SIGNAL_S = 60
"""So long before the time limit a task is signalled to save and stop."""


def parameters(batch: Submission, *, jobs: int, partition: str = "") -> dict[str, Any]:
    """What is requested of Slurm, in submitit's words."""
    needs = batch.needs
    wanted: dict[str, Any] = {
        "job_name": "anymole",
        "time": math.ceil(needs.timeout_min * batch.chunk),
        "mem": f"{math.ceil(needs.memory_gb * 1024)}MB",
        "cpus_per_task": needs.cpus,
        "array_parallelism": jobs,
        "signal_delay_s": SIGNAL_S,
        # a task that is preempted goes back into the queue and takes up where it was
        "additional_parameters": {"requeue": True},
    }
    if needs.gpus:
        wanted["gpus_per_node"] = needs.gpus
    if partition:
        wanted["partition"] = partition
    return wanted


def submit(batch: Submission, *, jobs: int, partition: str = "") -> list[str]:
    """Hand all shots to Slurm; returns the job ids.

    Raises:
        EngineError: Slurm is not there, or refuses.
    """
    submitit = load_submitit()
    try:
        executor = submitit.SlurmExecutor(batch.out / JOBS)
        executor.update_parameters(**parameters(batch, jobs=jobs, partition=partition))
        commands = [
            submitit.helpers.CommandFunction(batch.task(*numbers), verbose=False)
            for numbers in batch.chunks()
        ]
        with executor.batch():
            queued = [executor.submit(command) for command in commands]
        return [str(job.job_id) for job in queued]
    except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
        raise EngineError(f"Slurm did not take the shots: {shown(error)}") from error
