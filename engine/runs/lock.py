"""One writer per run folder: a lease that survives crashes, clock jumps and network file systems.

The lease is :class:`filelock.SoftFileLease`: a marker file with host, process and its start, refreshed every few
seconds. A holder on this host that is gone is replaced at once; one on another host once its marker has not been
refreshed for ``LEASE_S`` of the newcomer's own monotonic clock, so that no clock has to agree with another.
"""

import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.errors import EngineError, RunBusy
from usd_io.errors import shown, unwritable

LOCK = "lock"
LEASE_S = 60.0
"""A holder on another host that is silent for so long has lost the run."""
HEARTBEAT_S = 5.0
SHORT_WAIT_S = 0.5
"""Time to find out that the holder is gone."""


class RunLock:
    """Held from the first write to a run folder to the last."""

    def __init__(self, folder: Path, on_lost: Callable[[], None]) -> None:
        """Take the run.

        Raises:
            RunBusy: Another process has it.
            EngineError: The folder cannot be written to.
        """
        from filelock import SoftFileLease, Timeout  # not needed to plan or to look, and slow to import

        self._path = folder / LOCK
        self._lease = SoftFileLease(
            self._path,
            lease_duration=LEASE_S,
            heartbeat_interval=HEARTBEAT_S,
            on_compromise=lambda _: on_lost(),
            thread_local=False,
        )
        try:
            self._lease.acquire(timeout=_patience(self._path), poll_interval=0.05)
        except Timeout:
            raise RunBusy(
                f"{shown(folder)} is being written by {self._holder()}; watch it with 'anymole attach', stop it with "
                "'anymole cancel', or try again later."
            ) from None
        except OSError as error:
            raise EngineError(unwritable(folder, error), settings=("out",)) from error

    def release(self) -> None:
        """Give the run back; a marker that cannot be removed is seen to be of a holder that is gone."""
        with suppress(OSError):  # what went wrong before is said, not this
            self._lease.release(force=True)

    def _holder(self) -> str:
        owner = self._lease.owner
        return "another process" if owner is None else f"process {owner.pid} on {shown(owner.hostname)}"


def _patience(path: Path) -> float:
    """Wait out the lease only where its holder looks dead and cannot be reached: then it is worth it."""
    age = lock_age(path.parent)
    return SHORT_WAIT_S if age is None or age < LEASE_S else LEASE_S + 2 * HEARTBEAT_S


def lock_age(folder: Path) -> float | None:
    """Seconds since the marker was refreshed by this machine's clock; None without a marker. A hint, not a proof."""
    try:
        return max(0.0, time.time() - (folder / LOCK).stat().st_mtime)
    except OSError:
        return None


def process_start(pid: int) -> str:
    """What tells a process from a later one with the same number; empty when it is gone.

    On Linux ticks since boot, which no change of the clock moves.
    """
    try:
        if sys.platform == "linux":
            fields = (
                Path(f"/proc/{pid}/stat")
                .read_text(encoding="utf-8", errors="replace")
                .rpartition(")")[2]
                .split()
            )
            return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return ""


def runs_here(host: str, pid: int, start: str) -> bool | None:
    """Whether a recorded process still runs; None when it was recorded on another host."""
    if host != socket.gethostname():
        return None
    return bool(start) and process_start(pid) == start
