"""Who may import whom, seen in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import grimp
import jaxtyping
import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pxr", "textual", "diffusers", "transformers", "scipy")


def modules_after(code: str) -> set[str]:
    """Top-level packages loaded once the code has run in a new Python."""
    script = f"{code}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("--help", set()),
        ("--version", set()),
        ("config show", set()),
        ("runs", {"numpy"}),
        ("attach x", {"numpy"}),
    ],
)
def test_commands_that_only_look_load_nothing_heavy(command: str, allowed: set[str]) -> None:
    code = f"from anymole_tui.cli.app import main\ntry: main({command.split()})\nexcept SystemExit: pass"
    assert not modules_after(code) & {*HEAVY, "numpy", "rich"} - allowed


@pytest.mark.parametrize("module", ["engine.run", "engine.evaluation.evaluate", "anymole_tui.report"])
def test_engine_and_faces_load_without_usd_and_torch(module: str) -> None:
    assert not modules_after(f"import {module}") & set(HEAVY)


@pytest.mark.parametrize("module", ["usd_io.read.stage", "usd_io.author.result", "usd_io.check.rules"])
def test_usd_io_knows_neither_engine_nor_torch(module: str) -> None:
    assert not modules_after(f"import {module}") & {"engine", "anymole_tui", "torch", "textual", "typer"}


def test_a_plan_is_made_without_torch() -> None:
    assert "torch" not in modules_after(
        "import engine.run, engine.priors.fill, engine.stages.score, usd_io.read.stage, usd_io.author.result"
    )


def test_a_video_is_fitted_without_what_only_makes_videos() -> None:
    loaded = modules_after("import engine.video_pipeline, engine.stages.estimate_joints, engine.stages.mimic")
    assert "torch" in loaded
    assert not loaded & {"diffusers", "transformers", "scipy"}


def test_a_video_model_is_ready_before_the_libraries_of_networks_are_there() -> None:
    loaded = modules_after("from engine.video.backends import backend; backend('tiny').height")
    assert "torch" in loaded
    assert not loaded & {"diffusers", "transformers", "scipy"}


def test_what_the_terminal_ui_imports_beforehand_is_usd_and_no_torch() -> None:
    loaded = modules_after("from anymole_tui.tui.preload import _import_all; _import_all()")
    assert {"pxr", "textual"} <= loaded
    assert not loaded & {"torch", "diffusers", "transformers", "scipy"}


def test_collections_leave_out_what_was_imported_and_go_on_after_it() -> None:
    """Else each of them holds up a key by 50 ms and more."""
    code = (
        "import gc; from anymole_tui.tui.preload import start_cold, _import_all; start_cold(); "
        "assert not gc.isenabled(); "
        "_import_all(); assert gc.isenabled() and gc.get_freeze_count() > 50_000, gc.get_freeze_count()"
    )
    assert "pxr" in modules_after(code)


@pytest.mark.parametrize("package", ["anymole_tui", "engine", "usd_io"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    """Lazy imports and those for types alone counted."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    in_circles = sorted(module for module, reached in _reached(imports).items() if module in reached)
    assert not in_circles


def _reached(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """All modules that each one imports, through others too."""
    reached = {}
    for module in imports:
        seen: set[str] = set()
        ahead = [module]
        while ahead:
            new = imports[ahead.pop()] - seen
            seen |= new
            ahead += new
        reached[module] = seen
    return reached


@pytest.mark.parametrize("root", ["anymole", "anymole_tui", "engine", "usd_io"])
def test_no_folder_holds_more_files_than_can_be_taken_in(root: str) -> None:
    for folder in {path.parent for path in (ROOT / root).rglob("*.py")}:
        sources = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(sources) <= 12, f"{folder} holds {len(sources)}"


def test_the_faces_use_ten_modules_behind_the_doors_at_most() -> None:
    """Which ones, and why, stands in the contracts of pyproject.toml; the names of array types aside."""
    graph = grimp.build_graph("anymole_tui", "engine", "usd_io", cache_dir=None)
    faces = graph.find_descendants("anymole_tui") | {"anymole_tui"}
    used = {m for face in faces for m in graph.find_modules_directly_imported_by(face)} - faces
    assert len(used - {"engine", "usd_io", "usd_io.shapes"}) <= 10, used


DOORS = [
    path.parent.relative_to(ROOT).as_posix().replace("/", ".")
    for package in ("engine", "usd_io")
    for path in sorted((ROOT / package).rglob("__init__.py"))
    if "_HOMES" in path.read_text(encoding="utf-8")
]
OPEN_ALL = """
import importlib, os, sys

def open_(door):
    d = importlib.import_module(door)
    for name in d.__all__:
        getattr(d, name)
    assert set(d.__all__) == set(d._HOMES)

doors = sys.argv[1:]
for door in doors:
    open_(door)
for name in list(sys.modules):
    if name.split(".")[0] in ("engine", "usd_io"):
        del sys.modules[name]
for door in doors:
    if not os.fork():
        open_(door)
        print(door, flush=True)
        os._exit(0)
    os.wait()
"""
"""Prints the doors that open, each as the first of our modules that its process imports; what others wrote, which takes
seconds, all processes have from the first one."""


@pytest.fixture(scope="module")
def opened() -> "subprocess.CompletedProcess[str]":
    """What was printed of the doors that open to all they name."""
    return subprocess.run(
        [sys.executable, "-c", OPEN_ALL, *DOORS], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("door", DOORS)
def test_doors_open_to_all_they_name_and_load_nothing_heavy(
    door: str, opened: "subprocess.CompletedProcess[str]"
) -> None:
    names = modules_after(f"import {door}")
    assert not names & {*HEAVY, "numpy"}
    assert door in opened.stdout.splitlines(), opened.stderr


def test_a_run_does_without_jaxtyping_and_a_type_checker_has_it() -> None:
    assert "jaxtyping" not in modules_after("import engine.run, usd_io.read.stage, engine.priors.fill")
    modules_after(
        "import jaxtyping, usd_io.shapes as s; assert all(getattr(s, n) is getattr(jaxtyping, n) for n in s.__all__)"
    )
    modules_after("import usd_io.shapes as s; assert s.Float[bytes, 'frame joint 3'] is bytes")


def test_here_every_call_is_checked() -> None:
    from usd_io import shapes

    assert shapes.Float is jaxtyping.Float
