"""Size of reports and the CPU time of making one: ``python scripts/bench_report.py [STAGE CONTEXT KEYS]...``.

Without arguments the boxer and the fox of examples/ are filled, without previews, else the stages named, each with its
context (``7:55``) and keys (``55,79``). Beside the size stand what three.js takes of it, and what the poses of the
motions shown would take as numbers in text.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.config import RunConfig  # noqa: E402
from engine.report.contents import Contents, read_contents  # noqa: E402
from engine.report.page import report_page  # noqa: E402
from engine.run import run  # noqa: E402
from usd_io.read.material import read_texture_bytes  # noqa: E402

EXAMPLES = [
    [str(ROOT / "examples/boxer/boxer.usdc"), "156:216", "216,246,276,306"],
    [str(ROOT / "examples/fox/fox.usdc"), "10:58", "58,82"],
]


def main() -> None:
    """Fill, measure, print a row each."""
    given = sys.argv[1:]
    cases = [given[i : i + 3] for i in range(0, len(given), 3)] or EXAMPLES
    sys.stdout.write("stage, frames, points, report [MB], three.js [MB], poses as text [MB], CPU [s]\n")
    three = (ROOT / "engine/report/assets/three.min.js").stat().st_size
    for stage, context, keys in cases:
        begin, end = map(float, context.split(":"))
        with tempfile.TemporaryDirectory() as folder:
            config = RunConfig(
                stage=stage,
                context=((begin, end),),
                keys=tuple(map(float, keys.split(","))),
                out=f"{folder}/run",
                preview=False,
                report=False,
            )
            run(config)
            times = []
            for _ in range(3):  # the first one imports
                before = time.process_time()
                contents = read_contents(Path(folder, "run"))
                page = report_page(contents, read_texture_bytes)
                times.append(time.process_time() - before)
            points = sum(len(mesh.points) for actor in contents.actors for mesh in actor.character.meshes)
            sizes = [len(page.encode()), three, len(as_text(contents))]
            told = ", ".join(f"{size / 1e6:.2f}" for size in sizes)
            name = Path(stage).stem
            sys.stdout.write(f"{name}, {len(contents.times)}, {points}, {told}, {min(times):.2f}\n")


def as_text(contents: Contents) -> str:
    """Every pose that the report holds, as numbers in JSON."""
    return json.dumps(
        [
            [motion.rotations.tolist(), motion.translations.tolist()]
            for actor in contents.actors
            for motion in actor.takes.values()
        ]
    )


if __name__ == "__main__":
    main()
