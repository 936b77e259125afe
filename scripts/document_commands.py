"""Make the tables of options in docs/ from the commands themselves: ``python scripts/document_commands.py``."""

from pathlib import Path

from anymole_tui.cli.app import command_group
from anymole_tui.cli.reference import documented

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Write the documents whose tables are out of date."""
    group = command_group()
    for document in sorted(DOCS.glob("*.md")):
        text = document.read_text(encoding="utf-8")
        made = documented(text, group)
        if made != text:
            document.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
