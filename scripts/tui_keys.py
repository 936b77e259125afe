"""The keys of the terminal UI as tables for docs/tui.md: ``python scripts/tui_keys.py [--write]``."""

import argparse
import inspect
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from textual.binding import Binding  # noqa: E402
from textual.dom import DOMNode  # noqa: E402

PAGE = ROOT / "docs" / "tui.md"
BEGIN, END = "<!-- keys -->", "<!-- /keys -->"
NAMES = {
    "full_stop": ".",
    "comma": ",",
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "tilde": "~",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def owners() -> list[type[DOMNode]]:
    """All classes of ours that have keys: the app, the places, the panels."""
    import anymole_tui.tui.app
    import anymole_tui.tui.lists
    import anymole_tui.tui.screens
    import anymole_tui.tui.widgets

    found: list[type[DOMNode]] = [anymole_tui.tui.app.AnymoleApp]
    for package in (anymole_tui.tui.screens, anymole_tui.tui.widgets, anymole_tui.tui.lists):
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            members: Any = vars(import_module(module.name)).values()
            found += [
                m
                for m in members
                if inspect.isclass(m) and m.__module__ == module.name and issubclass(m, DOMNode)
            ]
    return [owner for owner in dict.fromkeys(found) if "BINDINGS" in vars(owner)]


def tables() -> str:
    """One table per class, in Markdown."""
    parts = []
    for owner in owners():
        lines = [
            f"| {_keys(b)} | {b.description}{': ' + b.tooltip if b.tooltip else ''} | `{b.id}` |"
            for b in vars(owner)["BINDINGS"]
            if isinstance(b, Binding) and b.description and b.id
        ]
        if lines:
            title = {"AnymoleApp": "Everywhere", "Place": "Every place", "Rows": "Every list"}.get(
                owner.__name__, vars(owner).get("TITLE") or owner.__name__
            )
            parts.append(
                "\n".join([f"### {title}", "", "| keys | action | id |", "| --- | --- | --- |", *lines])
            )
    return "\n\n".join(parts)


def _keys(binding: Binding) -> str:
    return " ".join(f"`{NAMES.get(key, key)}`" for key in binding.key.split(","))


def with_tables(page: str) -> str:
    """The page with the tables as they are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def main() -> None:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put them into docs/tui.md")
    if parser.parse_args().write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(tables() + "\n")


if __name__ == "__main__":
    main()
