"""What a campaign has tried, one JSON line per trial: so that it can be stopped, gone on with and counted."""

import json
from pathlib import Path
from typing import Any


class Log:
    """Trials by kind and number; in memory alone where no file is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._told: dict[tuple[str, int], dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                try:
                    entry = json.loads(line)
                    self._told[entry["kind"], entry["number"]] = entry
                except (ValueError, KeyError):  # a line that was cut off: that one is tried again
                    continue

    def told(self, kind: str, number: int) -> dict[str, Any] | None:
        """How a trial ended; None where it has not been made."""
        return self._told.get((kind, number))

    def tell(self, kind: str, number: int, **outcome: Any) -> None:
        """Note how a trial ended."""
        entry = {"kind": kind, "number": number, **outcome}
        self._told[kind, number] = entry
        if self._path is not None:
            with self._path.open("a") as log:
                log.write(json.dumps(entry) + "\n")
