"""Make option tables and the manual page in docs/ from the commands: ``python scripts/document_commands.py``."""

import tomllib
from pathlib import Path

from anymole_tui.cli.app import command_group
from anymole_tui.cli.reference import documented, man_page

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Write the documents whose tables are out of date."""
    group = command_group()
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    for document in sorted(DOCS.glob("*.md")):
        text = document.read_text(encoding="utf-8")
        made = documented(text, group)
        if made != text:
            document.write_text(made, encoding="utf-8")
    (DOCS / "anymole.1").write_text(man_page(group, version), encoding="utf-8")


if __name__ == "__main__":
    main()
