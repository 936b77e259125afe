"""Many shots at once: one task description, handed to engines that schedule, place and retry (docs/farm.md).

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.farm.batch import Submission, SubmissionSummary, good_chunk, summarise
    from engine.farm.commands import write_commands
    from engine.farm.kubernetes import Cluster, job, write_job
    from engine.farm.needs import Needs
    from engine.farm.on_ray import run_on_ray
    from engine.farm.openjd import template, write_template
    from engine.farm.pool import run_pool
    from engine.farm.shots import (
        SHOT_LIST,
        ShotTask,
        check_submission_folder,
        mapped,
        read_path_mapping,
        read_shots,
        shots_of_stages,
        write_shots,
    )
    from engine.farm.slurm import parameters, submit

_HOMES = {
    "Cluster": "engine.farm.kubernetes",
    "Needs": "engine.farm.needs",
    "SHOT_LIST": "engine.farm.shots",
    "ShotTask": "engine.farm.shots",
    "Submission": "engine.farm.batch",
    "SubmissionSummary": "engine.farm.batch",
    "check_submission_folder": "engine.farm.shots",
    "good_chunk": "engine.farm.batch",
    "job": "engine.farm.kubernetes",
    "mapped": "engine.farm.shots",
    "parameters": "engine.farm.slurm",
    "read_path_mapping": "engine.farm.shots",
    "read_shots": "engine.farm.shots",
    "run_on_ray": "engine.farm.on_ray",
    "run_pool": "engine.farm.pool",
    "shots_of_stages": "engine.farm.shots",
    "submit": "engine.farm.slurm",
    "summarise": "engine.farm.batch",
    "template": "engine.farm.openjd",
    "write_commands": "engine.farm.commands",
    "write_job": "engine.farm.kubernetes",
    "write_shots": "engine.farm.shots",
    "write_template": "engine.farm.openjd",
}
"""Where each name lives."""

__all__ = [
    "SHOT_LIST",
    "Cluster",
    "Needs",
    "ShotTask",
    "Submission",
    "SubmissionSummary",
    "check_submission_folder",
    "good_chunk",
    "job",
    "mapped",
    "parameters",
    "read_path_mapping",
    "read_shots",
    "run_on_ray",
    "run_pool",
    "shots_of_stages",
    "submit",
    "summarise",
    "template",
    "write_commands",
    "write_job",
    "write_shots",
    "write_template",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
