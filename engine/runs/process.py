"""Runs as processes: what signals ask of them, and how one is started that outlives its terminal."""

import json
import os
import signal
import site
import stat
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.errors import STOPPED, EngineError, RunCancelled, RunTerminated
from engine.files.atomic import write_text
from engine.files.regular import open_regular
from engine.runs.lock import process_start, runs_here
from engine.runs.workspace import CANCEL, LOG, STATE, read_state
from usd_io.errors import shown, unwritable

GRACE_S = 5.0
"""A stage has so long to reach a point where it can save and stop; then it is stopped where it is."""
SAME_WISH_S = 1.0
"""Signals so near each other are one wish: a terminal tells the run, and the command that watches it tells it again."""
_USER = ("SIGINT",)
_SYSTEM = ("SIGTERM", "SIGUSR1", "SIGHUP")


class StopSignals:
    """Signals as a wish to stop. Use as ``cancel`` of :func:`engine.run.run`.

    The first signal is kept until the run asks for it, and then the run has ``GRACE_S`` to say how it ended. A second
    one, or ``GRACE_S`` in which the run has not asked, stops the run in the middle of what it does. Nothing is lost by
    that: all that counts is written whole, by rename.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._waits_until = 0.0
        """No further signal is heeded before [monotonic seconds]."""
        self.listening = False
        """Whether signals are handled; only :func:`stop_signals` says so."""

    def ask(self) -> None:
        """Stop as if SIGINT had come, which may be ignored (a shell's background job does); from any thread."""
        thread = threading.main_thread().ident
        if self.listening and self._signal is None and thread is not None and sys.platform != "win32":
            signal.pthread_kill(thread, signal.SIGALRM)  # a call that waits is interrupted, too

    def __call__(self) -> bool:
        """Raise what the signal stands for.

        Raises:
            RunCancelled: SIGINT came.
            RunTerminated: SIGTERM, SIGUSR1 or SIGHUP (the end of its terminal) came.
        """
        if self._signal is not None:
            _disarm()
            self._waits_until = time.monotonic() + GRACE_S
            raise _stop_error(self._signal)
        return False

    def take(self, number: int, frame: types.FrameType | None) -> None:
        """Handle a signal."""
        del frame
        if (
            self._signal is None and number == signal.SIGALRM
        ):  # of no timer: that is set by the first signal alone
            number = signal.SIGINT
        if self._signal is not None:
            if time.monotonic() < self._waits_until:
                return
            _disarm()
            raise _stop_error(self._signal)
        self._signal = number
        self._waits_until = time.monotonic() + min(SAME_WISH_S, GRACE_S / 2)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        if signal.Signals(number).name == "SIGHUP":
            _let_go_of_terminal()


def _stop_error(number: int) -> RunCancelled:
    name = signal.Signals(number).name
    return (
        RunCancelled(STOPPED) if name in _USER else RunTerminated(STOPPED.replace("user", f"system ({name})"))
    )


def _let_go_of_terminal() -> None:
    """What is said from now on goes nowhere: writing to a terminal that is gone fails."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    os.close(nowhere)


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Listen to SIGINT, SIGTERM, SIGUSR1 and SIGHUP for the length of a run; outside the main thread to none.

    A signal that is ignored (by ``nohup``, in a shell's background job) stays so; :func:`request_cancel` is heard
    without any.
    """
    stop = StopSignals()
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield stop
        return
    numbers = [getattr(signal, name) for name in (*_USER, *_SYSTEM)]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, stop.take) for number in (*heard, signal.SIGALRM)}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
    stop.listening = True
    try:
        yield stop
    finally:
        stop.listening = False
        _disarm()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_wait() -> Iterator[list[int]]:
    """Hold back SIGINT and give a list that is no longer empty once one has come.

    A run that is started meanwhile holds it back, too, until it listens (:func:`stop_signals`): what is pressed in a
    terminal reaches a new process as well, until it has a session of its own. Only for the main thread.
    """
    came: list[int] = []
    if sys.platform == "win32":
        yield came
        return
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT}
    )  # inherited; another thread may still hear it
    try:
        yield came
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules in a process of its own, with the environment of
    :func:`python_environment`.

    ``-P``: without it ``python -m`` imports from the current folder first, where a file of a shot may be called
    ``engine.py`` or ``random.py``.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """The environment of this process, in which a child finds our packages, and nothing in its current folder.

    An empty or relative entry of ``PYTHONPATH`` stands for a folder below the current one and is left out.
    """
    root = str(Path(__file__).resolve().parents[2])
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # where we are installed the folder is on the path anyway, behind the standard library
    own = [] if root in (*site.getsitepackages(), site.getusersitepackages()) else [root]
    entries = [*own, *(entry for entry in given if Path(entry).is_absolute() and entry != root)]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}
    return kept | path | {"PYTHONSAFEPATH": "1"}


def start_detached(folder: Path) -> "subprocess.Popen[bytes]":
    """Start (or resume) the run whose settings lie in a folder, in a session of its own.

    It reads nothing, talks to ``log.txt`` of its folder, and neither the end of this process nor of its terminal
    reaches it.

    Raises:
        EngineError: It cannot be started.
    """
    command = python_command("anymole_tui", "resume", str(folder.absolute()), "--progress", "plain", "--here")
    try:
        with os.fdopen(open_regular(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=folder,  # the current one may be removed
                env={
                    name: value
                    for name, value in python_environment().items()
                    # the options of the run are in its settings
                    if not name.startswith(("ANYMOLE_RUN_", "ANYMOLE_RESUME_"))
                },
            )
    except OSError as error:
        raise EngineError(f"the run in {shown(folder)} cannot be started ({error.strerror}).") from error
    _note_launched(folder, child.pid)
    return child


def _note_launched(folder: Path, pid: int) -> None:
    """Leave in the state of a waiting run what it waits for: whoever looks sees at once when that is gone."""
    with suppress(EngineError, OSError):
        state = read_state(folder)
        if state.get("state") == "waiting":  # Python itself takes longer to start than this does
            state["launched"] = {"pid": pid, "process_start": process_start(pid)}
            write_text(folder / STATE, json.dumps(state, indent=2) + "\n", "")


def request_cancel(folder: Path) -> None:
    """Ask a run to stop, on whatever host it is: its heartbeat sees a file within a second. On this host a signal tells
    it at once, unless that is ignored.

    Raises:
        EngineError: Its folder cannot be written to.
    """
    try:
        os.close(open_regular(folder / CANCEL, os.O_WRONLY | os.O_CREAT))
    except OSError as error:
        raise EngineError(f"the run is not stopped: {unwritable(folder, error)}") from error
    state = read_state(folder)
    pid = state.get("pid")
    # a run that has not begun yet sees the file; the process in its state is the one that prepared it
    begun = state.get("state") == "running"
    if begun and isinstance(pid, int) and pid > 1 and runs_here(*process_of(state)):
        with suppress(OSError):  # it has just ended, or is another user's and will see the file
            os.kill(pid, signal.SIGINT)


def process_of(state: dict[str, Any]) -> tuple[str, int, str]:
    """Host, process id and start of the process that wrote a state."""
    pid = state.get("pid")
    return str(state.get("host", "")), pid if isinstance(pid, int) else 0, str(state.get("process_start", ""))
