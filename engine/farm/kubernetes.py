"""A submission as an Indexed Job of Kubernetes: one pod per shot or chunk of shots, retried by itself, queued by Kueue
if wished."""

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.farm.batch import NOT_RETRIED, Submission, task_arguments
from engine.farm.shots import JOB, SHOT_LIST, write_shots
from engine.files.atomic import write_text

SAVE_S = 60
"""Time between SIGTERM and the end of a pod: enough to save."""
MOST_INDEXES = 100_000
"""Of an Indexed Job."""
MOST_NAME = 50
"""Room for the index and a suffix in names of 63 characters."""
_COMMAND = 'exec anymole "$@" --number "$((JOB_COMPLETION_INDEX + 1))"'
_CHUNK_COMMAND = """last=$(((JOB_COMPLETION_INDEX + 1) * {chunk})) first=$((JOB_COMPLETION_INDEX * {chunk} + 1))
[ "$last" -le {shots} ] || last={shots}
exec anymole "$@" --number "$first-$last\""""
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"


@dataclass(frozen=True)
class Cluster:
    """Where the pods run."""

    image: str
    """With ``anymole`` in it."""
    claim: str
    """PersistentVolumeClaim with the shots, writable by many."""
    mount: str = ""
    """Where it is mounted; empty: the folder that the submission and all stages share. Paths are the same inside."""
    queue: str = ""
    """LocalQueue of Kueue; empty: the job begins at once."""

    def __post_init__(self) -> None:
        if not self.image or not self.claim:
            raise ConfigError(
                "a job of Kubernetes needs an image with anymole in it and a claim with the shots.",
                settings=("image", "claim"),
            )
        for name, value in (("claim", self.claim), ("queue", self.queue)):
            if value and not re.fullmatch(_NAME, value):
                raise ConfigError(
                    f"{name} {value!r} is no name of Kubernetes; use lower-case letters, digits and dashes.",
                    settings=(name,),
                )
        if self.mount and not self.mount.startswith("/"):
            raise ConfigError(
                f"mount {self.mount!r} is no absolute path; begin it with /.", settings=("mount",)
            )


def job(batch: Submission, cluster: Cluster, *, jobs: int) -> dict[str, Any]:
    """The job, as plain values; JSON of it is a valid manifest.

    Args:
        batch: The submission.
        cluster: Where the pods run.
        jobs: Pods at a time.

    Raises:
        ConfigError: There are too many shots, or the paths share no folder to mount.
    """
    pods = len(batch.chunks())
    if pods > MOST_INDEXES:
        raise ConfigError(
            f"{pods} pods are more than a job takes ({MOST_INDEXES}); submit fewer shots at once."
        )
    command = _COMMAND
    if batch.chunk > 1:
        command = _CHUNK_COMMAND.format(chunk=batch.chunk, shots=len(batch.shots))
    needs = batch.needs
    out = str(batch.out.absolute())
    arguments = [
        word for word in task_arguments(f"{out}/{SHOT_LIST}", "", out) if word not in ("--number", "")
    ]
    limits: dict[str, Any] = {"memory": f"{math.ceil(needs.memory_gb * 1024)}Mi"}
    if needs.gpus:
        limits["nvidia.com/gpu"] = needs.gpus
    container = {
        "name": "shot",
        "image": cluster.image,
        "command": ["sh", "-c", command, "anymole", *arguments],
        "resources": {"requests": {"cpu": str(needs.cpus), "memory": limits["memory"]}, "limits": limits},
        "volumeMounts": [{"name": "shots", "mountPath": cluster.mount or _shared(batch)}],
    }
    never_again = sorted(NOT_RETRIED - {0})
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": pods,
        "parallelism": min(jobs, pods),
        "backoffLimitPerIndex": needs.retries,
        "maxFailedIndexes": pods,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": never_again}},
            ]
        },
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": SAVE_S,
                "activeDeadlineSeconds": math.ceil(needs.timeout_min * 60 * batch.chunk),
                "containers": [container],
                "volumes": [{"name": "shots", "persistentVolumeClaim": {"claimName": cluster.claim}}],
            }
        },
    }
    labels = {"app.kubernetes.io/name": "anymole"}
    if cluster.queue:
        labels["kueue.x-k8s.io/queue-name"] = cluster.queue
        spec["suspend"] = True  # Kueue lets it begin
    name = re.sub(r"[^a-z0-9]+", "-", f"anymole-{batch.out.name}".lower())[:MOST_NAME].strip("-")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def _shared(batch: Submission) -> str:
    """The deepest folder that holds the submission and all stages."""
    paths = [batch.out.absolute(), *(Path(shot.config.stage).absolute().parent for shot in batch.shots)]
    shared = os.path.commonpath([str(path) for path in paths])
    if shared == Path(shared).anchor:
        raise ConfigError(
            "the shots and the folder of the submission share no folder but the root of the disk; name one.",
            settings=("mount",),
        )
    return shared


def write_job(batch: Submission, cluster: Cluster, *, jobs: int) -> Path:
    """Write the shot list and the manifest into the folder of the submission.

    Raises:
        ConfigError: As :func:`job`.
        EngineError: The folder cannot be written to.
    """
    values = job(batch, cluster, jobs=jobs)
    write_shots(batch.shots, batch.out, batch.given)
    path = batch.out / JOB
    write_text(path, json.dumps(values, indent=2) + "\n")
    return path
