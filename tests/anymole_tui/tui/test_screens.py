"""Pictures of the places of browsing and looking, in several states, small and large; and what works everywhere."""

import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES
from textual.widgets import Input

from anymole_tui.safe_text import plain
from anymole_tui.terminal.patches import clipboard_codes
from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.host import Look
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.prim_tree import PrimTree
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.screens.browse import Browse
from anymole_tui.tui.screens.help import Help
from anymole_tui.tui.screens.stage import StagePlace
from anymole_tui.tui.themes import DARK, LIGHT, user_themes
from anymole_tui.tui.widgets.image import Still
from anymole_tui.tui.widgets.key_bar import KeyBar
from anymole_tui.tui.widgets.timeline import Timeline
from engine.errors import ConfigError
from tests.anymole_tui.tui.shots import SIZES, check_shot, drive, screen_text, sees, until


@pytest.mark.parametrize("size", SIZES)
def test_files(fox_folder: Path, size: str) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox_survey_keys.usda")
        check_shot(app, f"files_{size}")
        await pilot.press("slash", *"sur")
        await until(pilot, lambda: "fox/" not in screen_text(app))
        check_shot(app, f"files_filtered_{size}")
        await pilot.press("escape", "end", "enter")
        await until(pilot, lambda: isinstance(app.screen, StagePlace))
        await sees(pilot, "Composition")
        await pilot.press("q", "tab")
        await sees(pilot, "Recent")
        check_shot(app, f"files_recent_{size}")

    drive(journey, SIZES[size], target=fox_folder)


@pytest.mark.parametrize("size", SIZES)
def test_files_of_an_empty_folder(home: Path, size: str) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "no stage was opened yet")
        check_shot(app, f"files_empty_{size}")

    drive(journey, SIZES[size], target=home)


@pytest.mark.parametrize("size", SIZES)
def test_stage(fox_keys: Path, size: str) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Composition")
        check_shot(app, f"stage_{size}")
        assert isinstance(app.screen, StagePlace)
        app.screen.go_to("/Fox/Anim/Survey")
        await sees(pilot, "8 samples")
        check_shot(app, f"stage_animation_{size}")
        await pilot.press("L")
        await sees(pilot, "arc:")
        check_shot(app, f"stage_layers_{size}")
        await pilot.press("L", "slash", *":mesh")
        await sees(pilot, "/Fox/Geo/", "points")
        check_shot(app, f"stage_found_{size}")

    drive(journey, SIZES[size], target=fox_keys)


@pytest.mark.parametrize("size", SIZES)
def test_motion(fox_keys: Path, size: str, grey_pictures: list[dict[str, Any]]) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await until(pilot, lambda: app.screen.query(Still) and app.screen.query_one(Still).display)
        await sees(pilot, "three-quarter at 0")
        check_shot(app, f"motion_{size}")
        app.screen.query_one(Timeline).go_to(36)
        await pilot.press("plus", "v")
        await until(pilot, lambda: grey_pictures[-1]["view"] == "front" and grey_pictures[-1]["time"] == 36)
        await sees(pilot, "front at 36")
        check_shot(app, f"motion_zoomed_{size}")
        await pilot.press("slash", *"arm")
        await until(pilot, lambda: "Arm" in str(app.screen.query_one("#curve").border_title))
        check_shot(app, f"motion_joints_{size}")

    drive(journey, SIZES[size], target=fox_keys)


async def go_round(app: AnymoleApp, pilot: Pilot[Any], *shows: tuple[str, Any]) -> None:
    """Look at files, a stage and its motion, and at each do what is to be shown there."""
    for place, show in zip(("files", "stage", "motion"), shows, strict=True):
        if place == "motion":
            await pilot.press("m")
            await sees(pilot, "Rotation of", "three-quarter at 0")
        elif place == "stage":
            await pilot.press("end", "enter")
            await sees(pilot, "Composition")
        await show[1]()
        check_shot(app, show[0])
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Place))


@pytest.mark.parametrize("size", SIZES)
def test_help(fox_folder: Path, size: str, grey_pictures: list[dict[str, Any]]) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        async def opened() -> None:
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, Help))
            await sees(pilot, "escape closes")

        async def at_its_end() -> None:
            await opened()
            await pilot.press("end")
            await sees(pilot, "Save the screen as SVG")

        await sees(pilot, "fox_survey_keys.usda")
        names = [f"help_{place}_{size}" for place in ("files", "stage", "motion_end")]
        await go_round(app, pilot, *zip(names, (opened, opened, at_its_end), strict=True))

    drive(journey, SIZES[size], target=fox_folder)


@pytest.mark.parametrize("size", SIZES)
def test_jump(fox_folder: Path, size: str, grey_pictures: list[dict[str, Any]]) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        async def jump() -> None:
            await pilot.press("ctrl+o")
            await sees(pilot, "Press the letter")

        await sees(pilot, "fox_survey_keys.usda")
        await go_round(
            app, pilot, *((f"jump_{place}_{size}", jump) for place in ("files", "stage", "motion"))
        )
        await pilot.press("ctrl+o")
        await sees(pilot, "Press the letter")
        await pilot.press("a")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "joint_list")

    drive(journey, SIZES[size], target=fox_folder)


@pytest.mark.parametrize("size", SIZES)
def test_palette(fox_folder: Path, size: str, grey_pictures: list[dict[str, Any]]) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        async def opened() -> None:
            await pilot.press("colon")
            await sees(pilot, "Search for actions", "Files: Open")
            app.screen.query_one(Input).cursor_blink = False

        async def typed(key: str, text: str) -> None:
            await pilot.press(key)
            await until(
                pilot, lambda: isinstance(app.focused, Input)
            )  # else the letters are keys of the place
            await pilot.press(*text)

        async def found() -> None:
            await typed("ctrl+p", "layers")
            await sees(pilot, "Stage: Layers")
            app.screen.query_one(Input).cursor_blink = False

        async def none() -> None:
            await typed("ctrl+p", "zzz")
            await sees(pilot, "No matches found")
            app.screen.query_one(Input).cursor_blink = False

        await sees(pilot, "fox_survey_keys.usda")
        names = [f"palette_{name}_{size}" for name in ("opened", "found", "none")]
        await go_round(app, pilot, *zip(names, (opened, found, none), strict=True))
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.focused, Input))
        await typed("colon", "layers")
        await sees(pilot, "Stage: Layers")
        await pilot.press("enter")
        await sees(pilot, "Layers, strongest first")

    drive(journey, SIZES[size], target=fox_folder)


def test_every_action_of_a_place_is_in_its_help(fox_keys: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        text = " ".join(str(w.render()) for w in app.screen.query("Static"))
        for words in ("Motion", "Layers", "Close the prim", "Choose a theme", "Jump to a panel", "Quit"):
            assert words in text
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, StagePlace))

    drive(journey, target=fox_keys)


def test_keys_and_themes_of_a_user(fox_folder: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox_survey_keys.usda")
        assert app.theme == "mine"
        await pilot.press("j", "j", "m")
        await until(pilot, lambda: isinstance(app.screen, StagePlace))
        await pilot.press("z")
        await until(pilot, lambda: isinstance(app.screen, Browse))

    look = Look(
        theme="mine",
        keys={"place.leave": "z", "rows.choose": "m"},
        themes={"mine": {"primary": "#112233", "dark": True}},
    )
    drive(journey, target=fox_folder, look=look)


def test_the_line_of_keys_is_clicked_and_help_always_has_room(fox_folder: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox_survey_keys.usda")
        for width in (30, 50, 80):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda width=width: app.screen.query_one(KeyBar).size.width == width)
            bar = app.screen.query_one(KeyBar)
            text = str(bar.render())
            assert text.endswith("? Help  ^p Palette ")
            assert len(text) <= width
            await pilot.click(KeyBar, offset=(text.index("Help"), 0))
            await until(pilot, lambda: isinstance(app.screen, Help))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, Browse))
        await pilot.click(KeyBar, offset=(str(bar.render()).index("Filter"), 0))
        await until(pilot, lambda: isinstance(app.focused, Filter))

    drive(journey, target=fox_folder)


def test_keys_for_no_action_are_said(fox_folder: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "names no action: rows.chose.")

    keys = {"rows.chose": "m", "plan.run": "f5", "tree.fold": "o"}
    drive(journey, (160, 50), target=fox_folder, look=Look(keys=keys), notices=True)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"colour": "red"}, "'primary'"),
        ({"primary": "reddish"}, "primary is reddish, which is no colour"),
        ({"primary": "#112233", "background": 3}, "background is 3, which is no colour"),
        ({"primary": "#112233", "dark": "no"}, "dark is no; write true or false"),
        ({"primary": "#112233", "text_alpha": "much"}, "text_alpha is much; write a number"),
        ({"primary": "#112233", "variables": "red"}, "variables is no table"),
        ({"primary": "#112233", "variables": {"bordre": "red"}}, "there is no variable bordre"),
        (
            {"primary": "#112233", "variables": {"border": "x ( y; }"}},
            "the variable border is x ( y; }; write",
        ),
        ({"primary": "#112233", "variables": {"border": "auto 80%"}}, "the variable border is auto 80%"),
        ({"primary": "#112233", "variables": {"border": ""}}, "the variable border is ; write"),
        ({"primary": "#112233", "variables": {"border": 3}}, "the variable border is 3"),
        ({"primary": "#112233", "variables": {"border": "red; color: blue"}}, "the variable border is red;"),
        ({"primary": "#112233", "variables": {"border": "$nosuch"}}, "the variable border is $nosuch"),
        ({"primary": "#112233", "variables": {"link-style": "loud"}}, "the variable link-style is loud"),
    ],
)
def test_a_theme_that_is_none_is_said(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        AnymoleApp(look=Look(themes={"mine": table}))


def test_the_variables_of_every_theme_can_be_written_by_a_user() -> None:
    every = dict(DARK.to_color_system().generate())
    for theme in (*BUILTIN_THEMES.values(), DARK, LIGHT):
        every |= theme.variables
        user_themes({"mine": {"primary": "#112233", "variables": theme.variables}})
    assert len(every) > 150
    (mine,) = user_themes({"mine": {"primary": "#112233", "variables": every}})
    assert mine.variables == every


def test_a_theme_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match=r"no theme nosuch; choose one of .*nord"):
        AnymoleApp(look=Look(theme="nosuch"))


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "anymole-light"])
def test_other_themes_draw_everything(
    fox_keys: Path, theme: str, grey_pictures: list[dict[str, Any]]
) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        tree = app.screen.query_one(PrimTree)
        if theme.startswith("ansi"):  # which colours a terminal has is not known: they change their places
            assert all(segment.style and segment.style.reverse for segment in tree.render_line(tree.cursor))
        await pilot.press("m")
        await sees(pilot, "keys 8", "Rotation of")

    drive(journey, target=fox_keys, look=Look(theme=theme))


def test_the_clipboard_goes_through_tmux_and_screen() -> None:
    assert clipboard_codes("a", {}) == "\x1b]52;c;YQ==\a"
    assert clipboard_codes("a", {"TMUX": "1"}) == "\x1b]52;c;YQ==\a\x1bPtmux;\x1b\x1b]52;c;YQ==\a\x1b\\"
    assert clipboard_codes("a", {"STY": "1"}) == "\x1bP\x1b]52;c;YQ==\a\x1b\\"


def test_plain_text_is_cut_in_its_middle() -> None:
    assert plain("a" * 50 + "b" * 50, 11) == "aaaa...bbbb"
    assert plain("caf\u00e9", ascii_only=True) == "caf\\xe9"
    assert len(plain("x" * 10_000)) <= 203
