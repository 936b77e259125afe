"""A submission as an Open Job Description template, for AWS Deadline Cloud and every other OpenJD runner."""

import json
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.farm.batch import Submission, task_arguments
from engine.farm.deadline import asset_references, parameter_values
from engine.farm.shots import ASSETS, PARAMETERS, SHOT_LIST, TEMPLATE, write_shots
from engine.files.atomic import write_text

SPECIFICATION = "jobtemplate-2023-09"
CHUNKING = "TASK_CHUNKING"
"""Extension of the specification that a template with chunks asks for."""
NOTIFY_S = 60
"""Time between the notice to stop and the end: enough to save."""
MOST_NAME = 64


def template(batch: Submission, name: str = "anymole") -> dict[str, Any]:
    """The job template, as plain values; JSON of it is a valid template file.

    One task is one shot, or a chunk of them by the extension TASK_CHUNKING. Paths are relative to the template, which
    lies in the folder of the submission, and parameters of type PATH, so that a farm maps them; those inside the shot
    list are mapped by the task from the session's rules.
    """
    needs = batch.needs
    arguments = task_arguments(
        "{{Param.ShotList}}", "{{Task.Param.Shot}}", "{{Param.OutputFolder}}", "openjd"
    )
    amounts: list[dict[str, Any]] = [
        {"name": "amount.worker.vcpu", "min": needs.cpus},
        {"name": "amount.worker.memory", "min": int(needs.memory_gb * 1024)},
    ]
    if needs.gpus:
        amounts.append({"name": "amount.worker.gpu", "min": needs.gpus})
    shots: dict[str, Any] = {"name": "Shot", "type": "INT", "range": f"1-{len(batch.shots)}"}
    if batch.chunk > 1:
        shots["type"] = "CHUNK[INT]"
        shots["chunks"] = {"defaultTaskCount": batch.chunk, "rangeConstraint": "CONTIGUOUS"}
    return {
        "specificationVersion": SPECIFICATION,
        **({"extensions": [CHUNKING]} if batch.chunk > 1 else {}),
        "name": name[:MOST_NAME],
        "parameterDefinitions": [
            _path("ShotList", "FILE", "IN", SHOT_LIST, "The shots, in the order of their numbers."),
            _path("OutputFolder", "DIRECTORY", "OUT", ".", "One run folder per shot is made in here."),
            {
                "name": "Anymole",
                "type": "STRING",
                "default": "anymole",
                "description": "The anymole command on the worker.",
            },
        ],
        "steps": [
            {
                "name": "InBetween",
                "parameterSpace": {"taskParameterDefinitions": [shots]},
                "hostRequirements": {"amounts": amounts},
                "script": {
                    "actions": {
                        "onRun": {
                            "command": "{{Param.Anymole}}",
                            "args": [*arguments, "--path-mapping", "{{Session.PathMappingRulesFile}}"],
                            "timeout": int(needs.timeout_min * 60 * batch.chunk),
                            "cancelation": {
                                "mode": "NOTIFY_THEN_TERMINATE",
                                "notifyPeriodInSeconds": NOTIFY_S,
                            },
                        }
                    }
                },
            }
        ],
    }


def _path(name: str, kind: str, flow: str, default: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "PATH",
        "objectType": kind,
        "dataFlow": flow,
        "default": default,
        "description": text,
    }


def validate(values: dict[str, Any]) -> bool:
    """Check a template with the reference model; False where that is not installed.

    Raises:
        ConfigError: It is not valid.
    """
    try:
        from openjd.model import DecodeValidationError, decode_job_template
    except ImportError:
        return False
    try:
        decode_job_template(template=values, supported_extensions=[CHUNKING])
    except DecodeValidationError as error:
        raise ConfigError(f"the template is not valid Open Job Description: {error}") from error
    return True


def write_template(batch: Submission) -> tuple[Path, bool]:
    """Write the job bundle of a submission into its folder: the shot list, the template, and what Deadline Cloud takes
    beside it (:mod:`engine.farm.deadline`).

    Returns:
        The template, and whether it was checked with the reference model.

    Raises:
        ConfigError: It is not valid.
        EngineError: The folder cannot be written to.
    """
    values = template(batch)
    checked = validate(values)
    write_shots(batch.shots, batch.out, batch.given)
    path = batch.out / TEMPLATE
    for name, content in (
        (TEMPLATE, values),
        (PARAMETERS, parameter_values(batch)),
        (ASSETS, asset_references(batch)),
    ):
        write_text(batch.out / name, json.dumps(content, indent=2) + "\n")
    return path, checked
