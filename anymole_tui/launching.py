"""Starting work that outlives the face that asks for it: a run in a process of its own, a farm job, a viewer."""

import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from anymole_tui.starting import STARTING
from engine import (
    ConfigError,
    EngineError,
    ResourceMissing,
    RunBusy,
    RunConfig,
    plan,
    prepare,
    prepare_resume,
)
from engine.runs import SETTINGS, read_run, remember, request_cancel, start_detached
from usd_io import shown

VIEWER = "ANYMOLE_VIEWER"
"""Environment variable: the command that opens a stage; the path is added at its end."""


def launch(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the prepared run of a folder in a process of its own and enter it into the list of runs."""
    remember(folder)
    return start_detached(folder)


def start_run(config: RunConfig) -> Path:
    """Start a run in a session of its own; returns its folder.

    Raises:
        EngineError, UsdIoError: It cannot be planned or its folder cannot be used.
    """
    planned = plan(config)  # what cannot work is refused here, where it can be fixed, and not in a log
    with STARTING:
        folder = prepare(config, planned)
        _launch(folder)
    return folder


def start_again(folder: Path) -> None:
    """Go on with a run in a session of its own.

    Raises:
        ConfigError: The folder holds no run.
        RunBusy: The run is at work.
    """
    if not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    if read_run(folder).state == "running":
        raise RunBusy(f"the run in {shown(folder)} is at work.")
    with STARTING:
        prepare_resume(folder)
        _launch(folder)


def stop_run(folder: Path) -> None:
    """Ask a run to save and stop.

    Raises:
        ConfigError: It is not at work.
        EngineError: Its folder cannot be written to.
    """
    record = read_run(folder)
    if not record.live:
        raise ConfigError(f"run {record.id} is {record.state}, not at work.")
    request_cancel(folder)


def _launch(folder: Path) -> None:
    child = launch(folder)
    # a child that nobody waits for would look alive after its end
    threading.Thread(target=child.wait, daemon=True, name="anymole-child").start()


def write_farm_job(config: RunConfig, folder: Path) -> tuple[Path, bool]:
    """Write a run as an Open Job Description job; returns the template, and whether it could be checked.

    Raises:
        EngineError: The folder cannot be written to.
        ConfigError: The template is not valid.
    """
    from dataclasses import replace

    from engine.farm import ShotTask, Submission, write_template

    plan(config)
    name = Path(config.stage).stem[:64].strip("._- ") or "shot"
    shot = ShotTask(name, replace(config, stage=str(Path(config.stage).absolute()), out="", force=False))
    return write_template(Submission((shot,), folder.absolute()))


def viewer_command(path: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What opens a stage: ``$ANYMOLE_VIEWER``, or usdview.

    Raises:
        ResourceMissing: There is neither.
        ConfigError: The variable is no command.
    """
    wanted = environment.get(VIEWER, "").strip()
    try:
        words = shlex.split(wanted) or ["usdview"]
    except ValueError as error:
        raise ConfigError(f"${VIEWER} is no command: {error}.") from error
    if shutil.which(words[0], path=environment.get("PATH")) is None:
        raise ResourceMissing(
            f"{shown(words[0])} is not here; set ${VIEWER} to the command that opens a stage, or copy the path."
        )
    return [*words, path]


def open_viewer(path: str) -> str:
    """Open a stage in a viewer that outlives us; returns the name of the viewer.

    Raises:
        EngineError: There is none or it cannot be started.
    """
    command = viewer_command(path)
    _start(command)
    return Path(command[0]).name


def reveal(path: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Show a file in the file manager of this desktop; False where there is none, as over SSH.

    Raises:
        EngineError: The file manager cannot be started.
    """
    if sys.platform == "darwin":
        command = ["open", "-R", path]
    else:
        command = ["xdg-open", str(Path(path).parent)]
    desktop = sys.platform == "darwin" or any(
        environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not desktop or shutil.which(command[0], path=environment.get("PATH")) is None:
        return False
    _start(command)
    return True


def _start(command: list[str]) -> None:
    """Start a program with windows of its own that outlives us."""
    quiet = subprocess.DEVNULL
    try:
        child = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError as error:
        raise EngineError(f"{shown(command[0])} cannot be started ({error.strerror}).") from error
    threading.Thread(target=child.wait, daemon=True, name="anymole-viewer").start()
