"""How the code hangs together, as figures: to compare a checkout with an earlier one.

    python scripts/measure_structure.py [CHECKOUT ...] [--hops]

Reads Python files and runs nothing, but for ``--hops``: then a tiny video run is begun in each checkout, with its own
``.venv``, up to the first call of the video model, and the functions between ``main`` and the model are counted.
"""

import argparse
import ast
import io
import json
import statistics
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("engine", "usd_io", "anymole_tui", "anymole")
ARRAYS = ("np.ndarray", "Tensor", "NDArray")


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.Module, names: dict[str, Path]) -> Iterator[str]:
    """Our modules that a module imports, lazy imports counted, those for type checkers alone left out."""
    hidden = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.unparse(guard.test)
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in names:
                    yield inner
                elif node.module in names:
                    yield node.module


def room_of(module: str, root: Path) -> str:
    """The folder that a module lies in; at the root of a package each file is a room of its own."""
    parts = module.split(".")
    return ".".join(parts[:2])


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on: set[str] = set()
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while True:
                member = stack.pop()
                on.remove(member)
                part.append(member)
                if member == node:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def measure(root: Path) -> dict[str, object]:
    """All figures of one checkout."""
    names = modules(root)
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in names.items()}
    graph = {name: {i for i in imports(tree, names) if i != name} for name, tree in trees.items()}
    folders = Counter(path.parent for path in names.values() if path.name != "__init__.py")
    functions = [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = [(n.end_lineno or n.lineno) - n.lineno + 1 for n in functions]
    public = [n for n in functions if not n.name.startswith("_")]
    arrays = [
        ast.unparse(a.annotation)
        for n in functions
        for a in (*n.args.args, *n.args.kwonlyargs)
        if a.annotation is not None and any(kind in ast.unparse(a.annotation) for kind in ARRAYS)
    ]
    classes: dict[str, set[str]] = defaultdict(set)
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].add(name)
    pairs = {(room_of(a, root), room_of(b, root)) for a, targets in graph.items() for b in targets}
    faces = {
        b
        for a, targets in graph.items()
        if a.startswith("anymole_tui")
        for b in targets
        if not b.startswith("anymole")
    }
    sizes = [len(path.read_text(encoding="utf-8").splitlines()) for path in names.values()]
    return {
        "files": len(names),
        "lines": sum(sizes),
        "most files in a folder": max(folders.values()),
        "files at the root of engine": folders[root / "engine"],
        "files at the root of usd_io": folders[root / "usd_io"],
        "files at the root of anymole_tui": folders[root / "anymole_tui"],
        "import cycles (modules in each)": [len(c) for c in cycles(graph)],
        "rooms that import each other": sum((b, a) in pairs for a, b in pairs if a < b),
        "lines per function, median": statistics.median(lengths),
        "lines per function, longest": max(lengths),
        "lines per file, longest": max(sizes),
        "public functions with a docstring [%]": round(
            100 * sum(ast.get_docstring(n) is not None for n in public) / len(public), 1
        ),
        "array arguments with a shape [%]": round(
            100 * sum('"' in a or "'" in a for a in arrays) / max(len(arrays), 1), 1
        ),
        "class names with two meanings": sorted(n for n, homes in classes.items() if len(homes) > 1),
        "modules of engine and usd_io that the faces import": len(faces),
        "comments per 1,000 lines": comments(names),
    }


def comments(names: dict[str, Path]) -> dict[str, int]:
    """By room, comments that say something (no directives for tools)."""
    count: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for name, path in names.items():
        text = path.read_text(encoding="utf-8")
        room = (
            ".".join(name.split(".")[:2])
            if path.name == "__init__.py"
            else ".".join(name.split(".")[:-1][:2])
        )
        lines[room] += len(text.splitlines())
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            directive = ("# type:", "# noqa", "# fmt:")
            if token.type == tokenize.COMMENT and not token.string.startswith(directive):
                count[room] += 1
    return {room: round(1000 * count[room] / n) for room, n in sorted(lines.items()) if n > 200}


HOPS = """
import json, sys, traceback
sys.argv = ["anymole", "run", {stage!r}, "--out", {out!r}, "--engine", "video", "--model", "tiny"]
sys.argv += ["--no-preview", "--here"]
try:
    import engine.video.backends.dynamicrafter as backend
except ImportError:
    import engine.video.backends.native as backend
def found(*args, **kwargs):
    calls = [f for f in traceback.extract_stack() if {root!r} in f.filename and ".venv" not in f.filename]
    ours = [f"{{f.filename.split('/')[-1]}}:{{f.name}}" for f in calls]
    print("HOPS" + json.dumps(ours)); sys.stdout.flush()
    import os; os._exit(0)
for value in list(vars(backend).values()):
    if isinstance(value, type) and "adapt" in vars(value):
        value.adapt = value.generate = found
from anymole_tui.__main__ import main
main()
"""


def hops(root: Path) -> list[str]:
    """Functions of ours between the command line and the video model."""
    stage = root / "examples" / "fox" / "fox_survey_keys.usda"
    with tempfile.TemporaryDirectory() as folder:
        code = HOPS.format(stage=str(stage), out=folder + "/out", root=str(root))
        done = subprocess.run(
            [str(root / ".venv/bin/python"), "-c", code],
            capture_output=True,
            text=True,
            cwd=root,
            check=False,
        )
    line = next((x for x in done.stdout.splitlines() if x.startswith("HOPS")), None)
    if line is None:
        sys.exit(f"no video model was called in {root}: {done.stderr[-800:]}")
    called: list[str] = json.loads(line[4:])
    return called


def main() -> None:
    """Print the figures of each checkout side by side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path(__file__).resolve().parents[1]])
    parser.add_argument(
        "--hops", action="store_true", help="begin a tiny video run in each and count the calls"
    )
    arguments = parser.parse_args()
    roots = [path.resolve() for path in arguments.checkouts]
    results = [measure(root) for root in roots]
    if arguments.hops:
        for root, result in zip(roots, results, strict=True):
            called = hops(root)
            result["hops from main to the video model"] = f"{len(called)}: {' > '.join(called)}"
    for name in results[0]:
        sys.stdout.write(f"{name}: {' | '.join(str(result[name]) for result in results)}\n")


if __name__ == "__main__":
    main()
