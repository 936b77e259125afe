"""Playback in a terminal: frames are drawn ahead in another process, and those that are late are dropped.

The clock alone decides what is due. A frame that is not drawn yet, or for which the line to the terminal has no
room, is passed over; the reported rate is that of the frames that were shown.
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from anymole_tui.terminal.graphics import Pixels

MOST_BYTES = 256 << 20
"""Of frames that are kept."""
RATE_OVER_S = 2.0
"""The reported rate is a mean over so long."""
SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0)

Request = Mapping[str, Any]
"""The request for a picture (:mod:`engine.workers.thumbnails`)."""


def key_of(request: Request) -> Hashable:
    """Two pictures with one key are the same."""
    return tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in request.items())


class Reel:
    """Frames that have been drawn, the latest kept as far as there is room."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._frames: OrderedDict[Hashable, Pixels] = OrderedDict()
        self._most, self._bytes = most_bytes, 0

    def get(self, request: Request) -> Pixels | None:
        """A frame, where it is there."""
        return self._frames.get(key_of(request))

    def put(self, request: Request, pixels: Pixels) -> None:
        """Keep a frame."""
        key = key_of(request)
        if key not in self._frames:
            self._frames[key] = pixels
            self._bytes += pixels.nbytes
        while self._bytes > self._most and len(self._frames) > 1:
            self._bytes -= self._frames.popitem(last=False)[1].nbytes

    def __len__(self) -> int:
        return len(self._frames)


class Playback:
    """One loop over some times, played by a clock. It knows no widgets: a place asks what is due and shows it.

    A frame may be several pictures, as two motions beside one another; it is there when all of them are.
    """

    def __init__(
        self,
        frames: Sequence[tuple[float, Sequence[Request]]],
        rate: float,
        *,
        reel: Reel,
        start: int = 0,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A loop that begins now.

        Args:
            frames: Times in their order, with the pictures of each.
            rate: Frames per second of the clip.
            reel: Keeps what is drawn.
            start: Which frame comes first.
            speed: 1 is the clip's own.
            clock: Seconds.
        """
        self.frames, self.rate, self.reel, self.speed = list(frames), rate, reel, speed
        self._clock = clock
        self._begin(start)
        self._shown: deque[float] = deque()
        self._last: int | None = None
        self._draw_s = 0.05
        """How long a frame has lately taken to be drawn."""

    def _begin(self, frame: int) -> None:
        self._began, self._first = self._clock(), frame

    @property
    def wanted_rate(self) -> float:
        """Frames per second that are to be shown."""
        return self.rate * self.speed

    def due(self) -> int:
        """Which frame is due now."""
        passed = math.floor((self._clock() - self._began) * self.wanted_rate + 1e-9)
        return (self._first + passed) % len(self.frames)

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        here = self.due()
        self.speed = speed
        self._begin(here)
        self._shown.clear()

    def next_shown(self) -> tuple[float, list[Pixels]] | None:
        """The time that is due and its pictures, to be shown now; None where it stands there already, or is dropped as
        not all of it has been drawn."""
        frame = self.due()
        if frame == self._last:
            return None
        at, requests = self.frames[frame]
        found = [self.reel.get(request) for request in requests]
        pictures = [pixels for pixels in found if pixels is not None]
        if len(pictures) < len(found):
            return None
        self._last = frame
        self._shown.append(self._clock())
        return at, pictures

    def shown_rate(self) -> float:
        """Frames per second that were shown lately."""
        now = self._clock()
        while self._shown and self._shown[0] < now - RATE_OVER_S:
            self._shown.popleft()
        return len(self._shown) / min(RATE_OVER_S, max(now - self._began, 1e-3))

    def to_draw(self) -> int | None:
        """The first frame that is not drawn, of those that can be there in time, then of the others; None: all are."""
        lead = 1 + math.ceil(self._draw_s * self.wanted_rate)
        first = self.due() + lead
        order = ((first + i) % len(self.frames) for i in range(len(self.frames)))
        return next((frame for frame in order if self._missing(frame)), None)

    def _missing(self, frame: int) -> list[Request]:
        return [request for request in self.frames[frame][1] if self.reel.get(request) is None]

    def draw_ahead(self, draw: Callable[[Request], Pixels], stopped: Callable[[], bool]) -> None:
        """Draw all frames, the next that can be in time first; to be called in a thread.

        Args:
            draw: Gives a picture; waits for it.
            stopped: Called before each picture; True ends the work.
        """
        while not stopped() and (frame := self.to_draw()) is not None:
            began = self._clock()
            for request in self._missing(frame):
                if stopped():
                    return
                self.reel.put(request, draw(request))
            self._draw_s += 0.3 * (self._clock() - began - self._draw_s)
            if len(self.reel) and self._missing(frame):
                return  # no room for the whole loop: what is kept is played
