"""Results to the eye: ``python scripts/contact_sheets.py SUITE.toml CASE ... [--earlier CHECKOUT] [--out FOLDER]``.

Per case of the suite one PNG with the keys, slerp, what an earlier checkout fills (it needs its own ``.venv``), what
this one fills, and the truth, at the keys and at times between them. All are drawn by this checkout's renderer from one
camera; both checkouts fill by their command line.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from engine.evaluation.evaluate import SuiteCase, plans_of, read_suite
from engine.evaluation.rows import split_dense
from engine.files.images import contact_sheet
from engine.geometry.resample import resample
from engine.planning.plan import Plan
from engine.preview.panels import draw_takes
from engine.priors.fill import fill_plainly
from engine.progress import Progress
from engine.rendering.bones import with_bones
from usd_io.model import Motion
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import read_shot

COLUMNS = 9
"""Of a sheet, keys included."""
WIDTH_PX = 1400
COLOURS = 64


def main() -> None:
    """Draw the sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--earlier", type=Path, help="an older checkout with its .venv")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    for case in read_suite(arguments.suite):
        if case.id in arguments.cases:
            picture = sheet(case, arguments.earlier)
            picture.save(arguments.out / f"sheet_{case.id.lower()}.png", optimize=True)


def sheet(case: SuiteCase, earlier: Path | None) -> Image.Image:
    """The sheet of one case."""
    shot = read_shot(case.stage)
    character, truth, plan = plans_of(shot, case.context, case.keys, strict=True)[0]
    parts = split_dense(truth, plan)
    times = shown_times(plan)
    motions = {name: fill_plainly(prior, character, parts, plan) for name, prior in BESIDE.items()}
    if earlier:
        motions["earlier"] = filled(case, earlier, earlier / ".venv" / "bin" / "python")
    motions |= {"result": filled(case, Path.cwd(), Path(sys.executable)), "truth": truth}
    drawn = draw_takes(
        [with_bones(character)],
        {name: [resample(motion, times)] for name, motion in motions.items()},
        read_texture_bytes,
        Progress(),
    )
    labels = [f"{time:g}{' key' if time in plan.keys else ''}" for time in times]
    image = Image.fromarray(contact_sheet(list(drawn.values()), list(drawn), labels))
    image = image.resize((WIDTH_PX, round(image.height * WIDTH_PX / image.width)), Image.Resampling.LANCZOS)
    return image.quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE)


BESIDE = {"keys": "hold", "slerp": "slerp"}
"""Priors that are drawn beside the results, by the name of their row."""


def shown_times(plan: Plan) -> Float[np.ndarray, " column"]:
    """The keys and, as far as columns reach, times at even distances between them [time codes]."""
    first, last = plan.gaps[0].start, plan.gaps[-1].end
    pieces = max(1, (COLUMNS - 1) // len(plan.gaps)) * len(plan.gaps)
    return np.linspace(first, last, pieces + 1)


def filled(case: SuiteCase, checkout: Path, python: Path) -> Motion:
    """What the command line of a checkout fills between the keys of a case."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(python), "-P", "-m", "anymole_tui", "run", str(Path(case.stage).resolve())]
        words += ["--context", ",".join(f"{a:g}:{b:g}" for a, b in case.context)]
        words += ["--keys", ",".join(f"{key:g}" for key in case.keys)]
        words += ["--prior", "auto", "--no-preview", "--out", f"{folder}/done", "--here"]
        subprocess.run(words, check=True, cwd=checkout, stdout=subprocess.DEVNULL)
        (result,) = Path(folder, "done").glob("*_inbetween.usd?")
        return read_shot(result, meshes=False).motions[0]


if __name__ == "__main__":
    main()
