"""An event loop that says when it has nothing to do.

After each key, Textual's pilot waits until the process has used little CPU time for 20 ms: on a busy machine too short,
on any other too long. In this loop the pilot waits until nothing is left to be done now, which is known.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any
from unittest.mock import patch

from textual._context import active_app

SOON_S = 0.001
"""What is to be done so soon is waited for."""


class _Selector(selectors.DefaultSelector):
    """Asked for events by a loop that would sleep, it tells those who wait for that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.waiting and (timeout is None or timeout > SOON_S):
            if events := super().select(0):
                return events
            for future in self.waiting:
                if not future.done():
                    future.set_result(None)
            self.waiting.clear()
            timeout = 0
        return super().select(timeout)


class QuietLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._looked_through = _Selector()
        super().__init__(self._looked_through)

    async def quiet(self) -> None:
        """Until there is nothing to be done at once or soon."""
        future = self.create_future()
        self._looked_through.waiting.append(future)
        await future


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run an app and its pilot in such a loop."""
    with (
        patch("textual.app.wait_for_idle", _wait_for_idle),
        patch("textual.pilot.wait_for_idle", _wait_for_idle),
        asyncio.Runner(loop_factory=QuietLoop) as runner,
    ):
        runner.run(main)


async def _wait_for_idle(*_: float) -> None:
    """As Textual's, without a look at the clock: until nothing is to be done and all is painted."""
    loop, app = asyncio.get_running_loop(), active_app.get()
    assert isinstance(loop, QuietLoop)
    await loop.quiet()
    while app.screen_stack and app.screen._update_timer._active.is_set():
        app.screen._on_timer_update()
        await loop.quiet()
