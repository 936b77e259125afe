"""Build wheel and sdist and try each as a new user would: ``python scripts/try_package.py [--out dist]``.

Each is installed into an environment of its own, with its dependencies, outside the source tree. There the demo must
fill its shots, the report and the manual page be there, and nothing be imported from the source tree. Takes minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Build, install, try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--only", choices=("wheel", "sdist"), help="try one of them")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    _run(sys.executable, "-m", "hatchling", "build", "--directory", str(out), folder=ROOT)
    kinds = {"wheel": "anymole-*.whl", "sdist": "anymole-*.tar.gz"}
    for kind, pattern in kinds.items():
        if arguments.only in (None, kind):
            package = max(out.glob(pattern), key=lambda path: path.stat().st_mtime)
            with tempfile.TemporaryDirectory() as folder:
                sys.stdout.write(
                    f"{package.name}, {package.stat().st_size / 1e6:.1f} MB: {attempt(package, Path(folder))}\n"
                )


def attempt(package: Path, folder: Path) -> str:
    """Install a package and use it; returns what was seen.

    Raises:
        SystemExit: Something is missing or goes wrong.
    """
    python = folder / "env" / "bin" / "python"
    _run(sys.executable, "-m", "venv", str(folder / "env"), folder=folder)
    _run(
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        str(package),
        folder=folder,
    )
    anymole = str(python.parent / "anymole")
    versions = json.loads(_run(anymole, "--version", "--json", folder=folder))
    place = _run(
        str(python), "-c", "import anymole, engine; print(anymole.__file__, engine.__file__)", folder=folder
    )
    told = _run(anymole, "demo", folder=folder)
    _run(anymole, "submit", "shots.toml", "--out", "done_here", folder=folder / "demo")
    missing = [
        path
        for path in (
            folder / "env/share/man/man1/anymole.1",
            folder / "demo/boxer/shot_inbetween/report.html",
            folder / "demo/boxer/shot_inbetween/preview.mp4",
            folder / "demo/done_here/boxer/shot_inbetween.usda",
            folder / "demo/fox/fox_survey_keys_inbetween/fox_survey_keys_inbetween.usda",
        )
        if not path.is_file()
    ]
    if missing or str(ROOT) in place:
        raise SystemExit(f"{package.name}: missing {missing}, imported from {place}")
    gain = next(line for line in told.splitlines() if line.startswith("gain"))
    return f"anymole {versions['anymole']}, usd-core {versions['usd-core']}; demo: {gain.removeprefix('gain').strip()}"


def _run(*command: str, folder: Path) -> str:
    """What a command prints; it must end well."""
    # no path and no settings of ours may leak into the new environment
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
