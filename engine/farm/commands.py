"""A submission as a plain file of command lines, as GNU parallel, OpenCue's cuecmd and Tractor take them."""

import shlex
from pathlib import Path

from engine.farm.batch import Submission
from engine.farm.shots import COMMANDS, write_shots
from engine.files.atomic import write_text


def write_commands(batch: Submission) -> Path:
    """Write the shot list and one command per chunk of shots, quoted for a POSIX shell, into the submission.

    Raises:
        EngineError: The folder cannot be written to.
    """
    write_shots(batch.shots, batch.out, batch.given)
    lines = [shlex.join(batch.task(*numbers)) for numbers in batch.chunks()]
    path = batch.out / COMMANDS
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path
