"""What is expected of Textual's private names: an upgrade that changes one fails here, by its name."""

import ast
import asyncio
import codecs
import inspect
import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorSystem
from rich.console import Console
from textual import _compositor
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.color import Color
from textual.containers import Vertical
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.drivers import linux_driver
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Label

from anymole_tui.terminal import patches
from anymole_tui.terminal.patches import OnceLaidOut, SparingApp, SparingScreen

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "anymole_tui/terminal/patches.py"
SIGNATURES: dict[Callable[..., Any], str] = {
    App._display: "(self, screen: 'Screen', renderable: 'RenderableType | None') -> 'None'",
    App._set_pointer_shape: "(self, shape: 'str') -> 'None'",
    App._check_action_state: "(self, action: 'str', default_namespace: 'DOMNode') -> 'bool | None'",
    Screen._screen_resized: "(self, size: 'Size') -> 'None'",
    Screen._compositor_refresh: "(self) -> 'None'",
    Screen._update_focus_styles: (
        "(self, focused: 'Widget | None' = None, blurred: 'Widget | None' = None) -> 'None'"
    ),
    _compositor.LayoutUpdate: "(strips: 'list[Iterable[Strip]]', region: 'Region') -> 'None'",
    _compositor.ChopsUpdate: (
        "(chops: 'Sequence[Mapping[int, Strip | None]]', spans: 'list[tuple[int, int, int]]',"
        " chop_ends: 'list[list[int]]') -> 'None'"
    ),
    _compositor.CompositorUpdate.render_segments: "(self, console: 'Console') -> 'str'",
    BindingsMap.apply_keymap: "(self, keymap: 'Keymap') -> 'KeymapApplyResult'",
}


def changed(name: str) -> str:
    """What to do when a name is another one."""
    return f"textual {version('textual')} has another {name} than the one that {ROOM.name} was written for: read both."


@pytest.mark.parametrize("owned", list(SIGNATURES), ids=lambda owned: owned.__qualname__)
def test_private_names_are_what_they_were(owned: Callable[..., Any]) -> None:
    assert str(inspect.signature(owned)) == SIGNATURES[owned], changed(owned.__qualname__)


@pytest.mark.parametrize(
    "name",
    ["_batch_count", "_closed", "_driver", "_previous_cursor_position", "_clipboard", "_keymap", "_bindings"],
)
def test_an_app_has_the_private_values(name: str) -> None:
    assert hasattr(App(), name), changed(f"App.{name}")


def test_the_driver_takes_its_decoder_by_the_name_that_is_replaced() -> None:
    source = inspect.getsource(linux_driver.LinuxDriver)
    assert 'getincrementaldecoder("utf-8")' in source, changed("LinuxDriver.run_input_thread")


def test_a_console_has_its_colours() -> None:
    assert patches.colors_of(Console(color_system="256")) is ColorSystem.EIGHT_BIT
    assert patches.colors_of(Console(color_system=None)) is ColorSystem.TRUECOLOR


def test_textual_is_pinned_to_what_the_names_were_tested_with() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"textual=={version('textual')}" in dependencies


def test_private_names_are_used_in_one_room() -> None:
    """Names with an underscore of anything that is not ours, and modules of Textual with one."""
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "anymole_tui").rglob("*.py")
        if path != ROOM
        for node in ast.walk(ast.parse(path.read_text()))
        if _is_private(node)
    ]
    assert not used


def _is_private(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return bool(re.match(r"(textual|rich)\b.*\._", f"{node.module}"))
    if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
        return not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os"))
    if isinstance(node, ast.FunctionDef):
        return node.name in {owned.__name__ for owned in SIGNATURES if owned.__name__.startswith("_")}
    return False


def test_bytes_that_are_no_text_do_not_end_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_driver, "getincrementaldecoder", codecs.getincrementaldecoder)
    patches.tolerate_broken_input()
    decode = linux_driver.getincrementaldecoder("utf-8")().decode
    assert decode(b"\x1b[M C\xa8@") == "\x1b[M C\ufffd@"


def test_only_what_the_app_lets_through_is_sent() -> None:
    """The app is asked about every update, and nothing at all is sent where it leaves nothing."""
    asked: list[object] = []

    class Nothing(_compositor.CompositorUpdate):
        def render_segments(self, console: Console) -> str:
            return ""

    class Silent(SparingApp):
        is_headless = False
        written: list[str] = []  # noqa: RUF012

        def updated(self, update: _compositor.CompositorUpdate) -> _compositor.CompositorUpdate:
            asked.append(update)
            return Nothing()

    class Driver:
        is_inline = False
        cursor_position = None

        def write(self, text: str) -> None:
            Silent.written.append(text)

    app = Silent()

    async def journey() -> None:
        async with app.run_test() as pilot:
            await pilot.pause()
            driver, app._driver = app._driver, Driver()  # type: ignore[assignment]
            app._previous_cursor_position = app.screen.outer_size.clamp_offset(app.cursor_position)
            app._display(app.screen, _compositor.LayoutUpdate([], app.screen.region))
            app._set_pointer_shape("text")
            before = list(Silent.written)
            app.copy_to_clipboard("words")
            app._driver = driver
            assert asked
            assert before == []
            assert Silent.written == [patches.clipboard_codes("words")]
            assert app.clipboard == "words"

    asyncio.run(journey())


def test_a_dialog_is_painted_with_its_final_layout_alone() -> None:
    painted: list[bool] = []

    class Box(OnceLaidOut[None]):
        def compose(self) -> Any:
            yield Label("words")

    class Watched(App[None]):
        def _display(self, screen: Screen[Any], renderable: Any) -> None:
            if isinstance(screen, ModalScreen):
                painted.append(screen._laid_out)  # type: ignore[attr-defined]
            super()._display(screen, renderable)

    async def journey() -> None:
        app = Watched()
        async with app.run_test() as pilot:
            await app.push_screen(Box())
            await pilot.pause()
            await pilot.resize_terminal(*Size(60, 20))
            await pilot.pause()

    asyncio.run(journey())
    assert painted
    assert all(painted)


def test_a_step_of_the_focus_styles_only_what_has_rules_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what has them looks as if all had been styled anew."""

    class Form(SparingScreen[None]):
        CSS = """
        .panel:focus-within { background: red; }
        .row:focus-within .name { color: lime; }
        """

        def compose(self) -> Any:
            for side in "ab":
                with Vertical(classes="panel", id=side):
                    for row in range(9):
                        with Vertical(classes="row", id=f"{side}{row}"):
                            yield Label("name", classes="name")
                            yield Input(id=f"{side}{row}-value")

    styled: list[DOMNode] = []
    apply = Stylesheet.apply
    monkeypatch.setattr(
        Stylesheet, "apply", lambda self, node, **how: (styled.append(node), apply(self, node, **how))[1]
    )

    async def journey() -> None:
        app: App[None] = App()
        async with app.run_test(size=(80, 60)) as pilot:
            form = Form()
            await app.push_screen(form)
            for name in ("a3", "a4", "b0", "b1"):
                form.query_one(f"#{name}-value").focus()
                await pilot.pause()
                looks = {
                    node: (node.styles.background, node.styles.color) for node in form.query(".panel, .name")
                }
                assert sum(label.styles.color == Color.parse("lime") for label in form.query(".name")) == 1
                assert form.query_one(f"#{name[0]}").styles.background == Color.parse("red")
                app.stylesheet.update(form)
                assert looks == {node: (node.styles.background, node.styles.color) for node in looks}
            styled.clear()
            form.query_one("#b5-value").focus()
            await pilot.pause()
            assert "b5-value" in {node.id for node in styled}
            others = {f"{side}{row}-value" for side in "ab" for row in range(9)} - {"b1-value", "b5-value"}
            assert not others & {node.id for node in styled}

    asyncio.run(journey())


def test_bindings_have_the_keys_of_the_user_and_can_be_done() -> None:
    class Place(Screen[None]):
        BINDINGS = [Binding("a", "go", "Go", id="place.go"), Binding("b", "stay", "Stay", id="place.stay")]  # noqa: RUF012

        def action_go(self) -> None: ...

        def action_stay(self) -> None: ...

        def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
            return action != "stay"

    async def journey() -> None:
        app: App[None] = App()
        async with app.run_test() as pilot:
            app.set_keymap({"place.go": "z"})
            await app.push_screen(Place())
            await pilot.pause()
            found = patches.bindings_of(app.screen, app)
            assert [b.key for b in found if (b.id or "").startswith("place.")] == ["z"]

    asyncio.run(journey())
