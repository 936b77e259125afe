"""One word, one idea: no class name stands for two things."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_no_class_name_has_two_meanings() -> None:
    """An underscore makes no other name. Messages of a widget, which Textual wants inside of it, go by the widget's
    name: ``Filter.Cleared``."""
    homes = defaultdict(list)
    for package in ("anymole", "anymole_tui", "engine", "usd_io"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in _classes(ast.parse(path.read_text(encoding="utf-8"))):
                homes[name.lstrip("_")].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in homes.items() if len(where) > 1}


def _classes(node: ast.AST, outer: str = "") -> Iterator[str]:
    """Names of all classes below a node, those in a class with its name before them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield outer + child.name
            yield from _classes(child, f"{outer}{child.name}.")
        else:
            yield from _classes(child, outer)


def test_the_map_of_the_contributor_names_what_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+/[\w./*-]*)`", text)
    assert len(named) > 20
    assert not [name for name in named if not any(ROOT.glob(name.rstrip("/")))]


def test_the_map_names_functions_that_exist() -> None:
    rows = re.findall(
        r"\| .*? \| `([\w/]+\.py)`: `(\w+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )
    assert len(rows) == 11
    for path, name in rows:
        assert re.search(
            rf"^\s*(def|class) {name}\b|^{name}\b", (ROOT / path).read_text(encoding="utf-8"), re.M
        ), path


@pytest.mark.parametrize("package", ["engine", "usd_io"])
def test_modules_of_one_folder_have_names_of_their_own(package: str) -> None:
    """A file and a folder of one name beside each other are the same module to Python, and two to a reader."""
    for path in (ROOT / package).rglob("*.py"):
        assert not path.with_suffix("").is_dir(), path


def test_the_engine_and_usd_io_name_no_option_of_the_command_line() -> None:
    """How a setting is given is the word of the face; what makes command lines is left out, and so are commands in
    quotes ('anymole inspect STAGE --joints')."""
    makers = {"command_line.py", "farm", "training", "process.py"}
    found = []
    for path in (p for package in ("engine", "usd_io") for p in (ROOT / package).rglob("*.py")):
        if makers & set(path.relative_to(ROOT).parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in loose
            and re.search(r"(^|[\s(,])--[a-z]", re.sub(r"'anymole [^']*'", "", node.value))
        ]
    assert not found
