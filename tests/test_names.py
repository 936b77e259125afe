"""One word, one idea: no class name stands for two things."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_no_class_name_has_two_meanings() -> None:
    homes = defaultdict(list)
    for package in ("engine", "usd_io"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in homes.items() if len(where) > 1}


@pytest.mark.parametrize("package", ["engine", "usd_io"])
def test_modules_of_one_folder_have_names_of_their_own(package: str) -> None:
    """A file and a folder of one name beside each other are the same module to Python, and two to a reader."""
    for path in (ROOT / package).rglob("*.py"):
        assert not path.with_suffix("").is_dir(), path
