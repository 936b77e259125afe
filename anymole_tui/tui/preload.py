"""What places import, imported in a thread once the first place stands; and no long garbage collections.

USD takes 0.3 s to import. The collector goes over all objects there are, 100,000 after the imports, and holds up a key
by 50 to 200 ms each time: so it rests until the imports are done, leaves what they made out from then on, and looks
for garbage seldom: painting makes thousands of objects that go by themselves.
"""

import gc
import importlib
import os
import sys
import threading

SWITCH_S = 0.0005
"""A key takes the lock of Python some ten times; by default a thread that searches or opens gives it up after 5 ms."""
ESCAPE_MS = "50"
"""So long a key that begins as escape does may take to come whole; Textual waits 100 ms, Vim as long as we do."""
PAINTS_PER_S = "500"
"""At most, and only of what has changed: a new focus is painted in two steps, each of which waits for its turn."""
COLLECTED_AFTER = (50_000, 20, 20)
"""So many objects more than before; by default 700, with which a third of the time of painting goes to collecting."""
PLACES = tuple(
    f"anymole_tui.tui.screens.{name}" for name in ("stage", "motion", "plan", "runs", "watch", "compare")
)
READERS = ("usd_io.browse.view", "engine.inspection.clips")


def start_cold() -> None:
    """To be called before Textual is imported: no collections until all is imported, threads at work give way at once,
    escape is taken as such soon, and what has changed is painted soon."""
    os.environ.setdefault("ESCDELAY", ESCAPE_MS)
    os.environ.setdefault("TEXTUAL_FPS", PAINTS_PER_S)
    gc.disable()
    sys.setswitchinterval(SWITCH_S)


def warm_up() -> None:
    """Import what a place may need; returns at once."""
    threading.Thread(target=_import_all, daemon=True, name="anymole-warm").start()


def _import_all() -> None:
    try:
        for name in (*PLACES, *READERS):
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()
