"""docs/tui.md names every key."""

from textual.binding import Binding

from scripts.tui_keys import PAGE, owners, with_tables


def test_the_page_has_every_key() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run 'python scripts/tui_keys.py --write'"


def test_every_key_with_a_name_can_be_changed() -> None:
    bindings = [b for owner in owners() for b in vars(owner)["BINDINGS"] if isinstance(b, Binding)]
    assert [b for b in bindings if b.description and not b.id] == []
