"""The heartbeat of a run: once a second its telemetry becomes an event, its state is renewed, and stops are noticed."""

import threading
import time
from collections.abc import Callable

from engine.errors import SHOWN_ERRORS
from engine.events import Event
from engine.progress import Overall
from engine.runs.telemetry import LoadSampler
from engine.runs.workspace import CANCEL, Workspace

BEAT_S = 1.0


class Heartbeat:
    """A thread beside the run. It raises nothing: the run gets what it meets from :meth:`check`."""

    def __init__(
        self,
        workspace: Workspace,
        tell: Callable[[Event], None],
        overall: Overall,
        ask_to_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """``ask_to_stop`` is called, in the thread, once someone asked the run to stop through its folder."""
        self._workspace, self._tell, self._overall = workspace, tell, overall
        self._ask_to_stop = ask_to_stop
        # Here and not in the thread: it loads libraries, and one thread that does so with Python's lock held and one
        # that loads USD, whose start takes that lock, wait for each other for ever.
        self._sampler = LoadSampler()
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._beat, name="anymole-heartbeat", daemon=True)
        self.cancelled = False
        """Whether someone asked the run to stop through its folder."""

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise in the run what went wrong here: a full disk, a run taken over."""
        if self._error is not None:
            raise self._error
        self._workspace.check_ours()

    def _beat(self) -> None:
        while not self._stop.is_set():
            if not self.cancelled and (self._workspace.folder / CANCEL).exists():
                self._ask_to_stop()
                self.cancelled = True
            try:
                self._tell(self._sampler.sample())
                self._workspace.state("running", **where(self._overall))
            except SHOWN_ERRORS as error:
                self._error = error
                return
            # a wait by the monotonic clock: a jump of the wall clock neither stops nor floods the telemetry
            self._stop.wait(BEAT_S - time.monotonic() % BEAT_S)


def where(overall: Overall) -> dict[str, object]:
    """What ``state.json`` tells of the progress."""
    remaining = None if overall.remaining_s is None else round(overall.remaining_s, 1)
    return {"stage": overall.stage, "percent": round(overall.percent, 1), "remaining_s": remaining}
