"""What the terminal UI remembers from one start to the next: recent files, the theme, and where one was in a stage."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine import EngineError
from engine.files import write_text
from engine.runs import STATE_DIR

MOST_RECENT = 20
LARGEST = 1 << 20


@dataclass
class Session:
    """Plain values only; what is damaged or of another version is left out, never an error."""

    recent: list[str] = field(default_factory=list)
    """Stages, the last one first."""
    folder: str = ""
    theme: str = ""
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By stage: the selected prim, the animation, the scrubbed time and the view."""

    def opened(self, stage: str) -> None:
        """Put a stage at the top of the recent ones."""
        self.recent = [stage, *(other for other in self.recent if other != stage)][:MOST_RECENT]
        self.places = {name: place for name, place in self.places.items() if name in self.recent}


def session_file() -> Path:
    """Where the session is kept."""
    if os.environ.get(STATE_DIR):
        return Path(os.environ[STATE_DIR]) / "session.json"
    from platformdirs import user_state_path

    return user_state_path("anymole") / "session.json"


def load_session() -> Session:
    """The session of the last time; a new one where there is none that can be used."""
    with suppress(OSError, ValueError, RecursionError):
        if session_file().stat().st_size <= LARGEST:
            return _from_plain(json.loads(session_file().read_text(encoding="utf-8")))
    return Session()


def _from_plain(found: Any) -> Session:
    if not isinstance(found, dict):
        return Session()
    recent, places = found.get("recent"), found.get("places")
    return Session(
        recent=[str(name) for name in recent][:MOST_RECENT] if isinstance(recent, list) else [],
        folder=str(found.get("folder") or ""),
        theme=str(found.get("theme") or ""),
        places={str(name): place for name, place in places.items() if isinstance(place, dict)}
        if isinstance(places, dict)
        else {},
    )


def save_session(session: Session) -> None:
    """Keep the session; where there is no home to write to it is forgotten."""
    path = session_file()
    with suppress(EngineError):
        write_text(path, json.dumps(asdict(session), indent=1))
