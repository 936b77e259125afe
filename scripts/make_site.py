"""Build the documentation as a site: ``python scripts/make_site.py``, with ``pip install '.[docs]'``.

Pages keep their places of the source tree, so that links among them work here and there; a link to a page, a picture or
a heading that does not exist is an error. Links to source files lead nowhere on a site: those become plain text.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "examples/README.md", "tests/data/README.md")
LEFT_OUT = ("*.1", "*.py")


def main() -> None:
    """Copy the pages, then build."""
    stage = ROOT / "build" / "docs"
    gather(stage)
    config = write_config(stage)
    command = [sys.executable, "-m", "mkdocs", "build", "--clean", "--config-file", str(config)]
    raise SystemExit(subprocess.run(command, cwd=ROOT).returncode)


def gather(stage: Path) -> None:
    """Copy all pages to a folder, in their places."""
    shutil.rmtree(stage, ignore_errors=True)
    for name in PAGES:
        source, place = ROOT / name, stage / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copyfile(source, place)
    for page in stage.rglob("*.md"):
        page.write_text(without_sources(page, stage), encoding="utf-8")


def without_sources(page: Path, stage: Path) -> str:
    """A page whose links to files of the source tree that are no pages are plain text."""

    def plain(match: re.Match[str]) -> str:
        target = match[2].split("#")[0]
        if not target or "://" in target or target.startswith("mailto:") or (page.parent / target).exists():
            return match[0]
        in_source = ROOT / page.relative_to(stage).parent / target
        return (
            match[1] if in_source.exists() else match[0]
        )  # what is in neither is left for the check to find

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", plain, page.read_text(encoding="utf-8"))


def write_config(stage: Path) -> Path:
    """The configuration with the folders of its navigation spelt out."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    for section in config["nav"]:
        ((title, pages),) = section.items()
        section[title] = (
            _spelt_out(pages, stage)
            if isinstance(pages, str)
            else [
                entry
                if (place := next(iter(entry.values()))).endswith(".md")
                else {next(iter(entry)): _spelt_out(place, stage)}
                for entry in pages
            ]
        )
    path = stage.parent / "mkdocs.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def _spelt_out(place: str, stage: Path) -> str | list[str]:
    if place.endswith(".md"):
        return place
    return sorted(str(page.relative_to(stage)) for page in (stage / place).glob("*.md"))


if __name__ == "__main__":
    main()
