"""Journey *browse*: files, the tree of a stage, details with composition, finding, layers; and what is hostile."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pxr import Sdf, Usd, UsdGeom
from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.host import Look
from anymole_tui.tui.lists.file_list import FileList
from anymole_tui.tui.lists.lines import Lines
from anymole_tui.tui.lists.prim_tree import PrimTree
from anymole_tui.tui.lists.run_table import RunTable
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.screens.browse import Browse
from anymole_tui.tui.screens.stage import StagePlace
from anymole_tui.tui.screens.watch import Watch
from anymole_tui.tui.state.session import load_session
from engine.runs.registry import remember
from tests.anymole_tui.tui.recorded import training, write_run, write_state
from tests.anymole_tui.tui.shots import drive, screen_text, sees, until


def test_from_a_folder_to_the_layer_that_wins_a_value(fox_keys: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox/", "fox_survey_keys.usda", "17 kB")
        await pilot.press("slash", *"survey", "enter")
        await sees(pilot, "fox_survey_keys.usda")
        assert "fox/ " not in screen_text(app)
        await pilot.press("end", "enter")
        await sees(pilot, "S     Skeleton", "SkelRoot")
        await pilot.press("j", "j", "l")  # Anim
        await sees(pilot, "A       Survey")
        app.screen.query_one(PrimTree).select("/Fox/Anim/Survey")
        await sees(pilot, "8 samples 0..82", "wins   fox_survey_keys.usda", "hidden fox.usdc")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Browse))
        assert "fox_survey_keys.usda" in screen_text(app).split("Recent")[1]

    drive(journey, (130, 40), target=fox_keys.parent)


def test_prims_are_found_by_letters_and_by_type(fox_keys: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        tree = app.screen.query_one(PrimTree)
        await pilot.press("slash", *":skelanim")
        await until(pilot, lambda: [n.prim.name for n in tree.listed] == ["Run", "Walk", "Survey"])
        await pilot.press(*(["backspace"] * 9), *"foxwlk")
        await until(pilot, lambda: [n.prim.path for n in tree.listed] == ["/Fox/Anim/Walk"])
        await pilot.press("enter", "enter")
        await until(pilot, lambda: tree.prim and tree.prim.path == "/Fox/Anim/Walk" and len(tree.listed) > 5)

    drive(journey, target=fox_keys)


def test_a_muted_layer_changes_what_is_seen_but_no_file(data: Path, tmp_path: Path) -> None:
    stage = data / "edge" / "fox_shot_layered.usda"
    before = stage.read_bytes()

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Prims")
        await pilot.press("L")
        await sees(pilot, "Layers", "fox_shot_layered.usda")
        assert isinstance(app.screen, StagePlace)
        rows = app.screen._layers
        arc = next(i for i, row in enumerate(rows) if row.name == "fox.usdc")
        app.screen.query_one("#layers", Lines).cursor = arc
        await pilot.press("x")
        await sees(pilot, "1 muted", "muted")
        await pilot.press("x")
        await until(pilot, lambda: "1 muted" not in screen_text(app))

    drive(journey, (120, 40), target=stage)
    assert stage.read_bytes() == before


def test_muting_keeps_the_place_in_layers_and_tree(data: Path) -> None:
    """A layer that an arc brings in moves to the end of the list when it is muted: the cursor goes with it."""

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        place = app.screen
        assert isinstance(place, StagePlace)
        place.go_to("/Fox/Anim/Walk")
        tree, layers = place.query_one(PrimTree), place.query_one("#layers", Lines)
        await until(pilot, lambda: tree.prim is not None and tree.prim.name == "Walk")
        await pilot.press("L", "j")
        chosen = place._layers[layers.cursor]
        assert chosen.depth < 0
        assert "Mute" in screen_text(app)
        for muted in (True, False):
            await pilot.press("x")
            await until(pilot, lambda muted=muted: place._layers[layers.cursor].muted == muted)
            await until(pilot, lambda: not place.busy)
            assert place._layers[layers.cursor].identifier == chosen.identifier
            assert tree.opened("/Fox/Anim")

    drive(journey, (120, 40), target=data / "edge" / "fox_shot_layered.usda")


def test_a_line_of_the_details_can_be_read_whole(fox_keys: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Composition")
        await pilot.press("tab", *["j"] * 6, "enter")
        await until(pilot, lambda: isinstance(app.screen, Read))
        await sees(pilot, "from fox_survey_keys.usda")

    drive(journey, target=fox_keys)


def test_the_session_brings_back_the_prim_and_the_theme(fox_keys: Path) -> None:
    stage = fox_keys

    async def first(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        app.theme = "ansi-dark"
        assert isinstance(app.screen, StagePlace)
        app.screen.go_to("/Fox/Anim/Walk")
        await sees(pilot, "18 samples")

    async def second(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "18 samples")
        assert app.theme == "ansi-dark"
        assert app.screen.query_one(PrimTree).prim.path == "/Fox/Anim/Walk"  # type: ignore[union-attr]

    drive(first, (120, 40), target=stage)
    assert load_session().recent == [str(stage)]
    drive(second, (120, 40), target=stage, look=Look())


def test_a_damaged_session_is_a_new_one(fox_keys: Path, home: Path) -> None:
    (home.parent / "state").mkdir()
    (home.parent / "state" / "session.json").write_text('{"recent": 3, "places": [], "theme": ["x"]}')

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox_survey_keys.usda")

    drive(journey, target=fox_keys.parent)


@pytest.mark.parametrize("content", [b"", b"PXR-USDC" + b"\0" * 200, b"#usda 1.0\n(("])
def test_a_broken_stage_is_said_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.usda").write_bytes(content)

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, Browse))
        await sees(pilot, "Error", "USD")

    drive(journey, target=tmp_path / "broken.usda", notices=True)


HOSTILE = "[bold red]x[/] \x1b[31m\x1b]0;t\x07 \u202egnp.exe [@click=app.quit]q[/]" + "n" * 10_000


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Text that would be markup, escapes, right to left and far too long wherever a stage can hold it."""
    folder = tmp_path / "[bold]f\u202eolder"
    folder.mkdir()
    stage = Usd.Stage.CreateNew(str(folder / "[red]a.usda"))
    prim = UsdGeom.Xform.Define(stage, "/" + "n" * 10_000).GetPrim()
    prim.SetMetadata("documentation", HOSTILE)
    prim.CreateAttribute("userProperties:x", Sdf.ValueTypeNames.String).Set(HOSTILE)
    prim.CreateAttribute("userProperties:tokens", Sdf.ValueTypeNames.TokenArray).Set([HOSTILE] * 9)
    prim.SetTypeName("Bold")
    prim.GetVariantSets().AddVariantSet("look").AddVariant("one")
    stage.DefinePrim("/\u05d0\u05d1\u05d2")
    stage.GetRootLayer().Save()
    return folder


@pytest.mark.parametrize("ascii_only", [False, True])
def test_hostile_text_is_shown_inert(hostile: Path, ascii_only: bool) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "[red]a.usda")
        await pilot.press("end", "enter")
        await sees(pilot, "nnn...nnn", "[bold red]x[/]", "\\x1b[31m", "\\x1b]0;t")
        text = screen_text(app)
        assert text.replace("\n", "").isprintable()
        assert all(len(line) <= 120 for line in text.split("\n"))
        assert text.isascii() or not ascii_only

    drive(journey, (120, 40), target=hostile, look=Look(theme="anymole", ascii=ascii_only))


def test_a_row_ends_where_the_scroll_bar_begins(home: Path) -> None:
    for number in range(100):
        (home / f"shot{number:03}.usda").write_text("#usda 1.0\n")

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "shot000.usda")
        lines = [line for line in screen_text(app).split("\n") if "shot0" in line]
        assert len(lines) > 10
        assert all("10 B   now" in line for line in lines)

    drive(journey, target=home)


def test_what_was_saved_meanwhile_is_read_again(fox_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fox_keys.read_text()
    said: list[str] = []
    monkeypatch.setattr(StagePlace, "say_error", lambda _, text: said.append(text))

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Composition", "Looks")
        fox_keys.write_text(before + '\ndef Scope "Added" {}\n')
        os.utime(fox_keys, (time.time() + 60,) * 2)
        assert "Added" not in screen_text(app)
        await pilot.press("f5")
        await sees(pilot, "Added", "Looks")
        fox_keys.write_text("no USD")
        os.utime(fox_keys, (time.time() + 120,) * 2)
        await pilot.press("f5")
        await until(pilot, lambda: said and "cannot be read again" in said[-1])
        await sees(pilot, "Added")
        fox_keys.unlink()
        await pilot.press("p")
        await until(pilot, lambda: "does not exist any more" in said[-1])
        await sees(pilot, "Added")

    drive(journey, (130, 40), target=fox_keys)


def test_filter_and_enter_lead_to_what_was_found(fox_keys: Path) -> None:
    """Not to the folder above."""

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "../", "fox_survey_keys.usda")
        await pilot.press("slash", *"survey", "enter")
        await sees(pilot, "fox_survey_keys.usda")
        assert "../" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, StagePlace))
        assert app.screen.path == fox_keys  # type: ignore[attr-defined]

    drive(journey, target=fox_keys.parent)


def test_escape_shows_all_again_and_never_quits(fox_keys: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "../", "q Quit")
        assert "Back" not in screen_text(app)
        await pilot.press("slash", *"survey", "enter")
        await sees(pilot, "esc Show all")
        await pilot.press("escape")
        await sees(pilot, "../")
        assert "Show all" not in screen_text(app)
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, Browse)
        await pilot.press("down", "down", "enter")
        await sees(pilot, "esc Back", "Skeleton")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Browse))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    drive(journey, target=fox_keys.parent)


def test_nothing_is_said_to_be_missing_before_it_was_read(
    fox_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Event()
    opened = StagePlace._read
    monkeypatch.setattr(StagePlace, "_read", lambda self, stop: (read.wait(60), opened(self, stop))[1])

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "reading ..." in screen_text(app))
        assert "no prims" not in screen_text(app)
        assert "nothing here" not in screen_text(app)
        read.set()
        await sees(pilot, "Skeleton")

    drive(journey, target=fox_keys)


def test_the_first_place_tells_of_runs_and_opens_them(fox_keys: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "elsewhere" / "shot010_inbetween", training())
    run_id = "ab12cd34"

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "none yet")
        remember(folder)
        app.screen._look_at_runs()  # type: ignore[attr-defined]
        await sees(pilot, "running", "31 %")
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, Watch) and run_id in screen_text(app))

    drive(journey, target=fox_keys.parent)


def test_the_first_place_finds_runs_below_its_folder(fox_keys: Path, tmp_path: Path) -> None:
    write_run(fox_keys.parent / "shots" / "shot020_inbetween", training())
    write_run(tmp_path / "elsewhere" / "shot030_inbetween", training())  # neither known nor below

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "shot020_inbetween", "31 %")
        table = app.screen.query_one(RunTable)
        app.screen._look_at_runs()  # type: ignore[attr-defined]  # those that were found stay, without a search
        await sees(pilot, "shot020_inbetween")
        assert table.row_count() == 1
        app.screen.go(tmp_path / "elsewhere")  # type: ignore[attr-defined]
        await sees(pilot, "shot030_inbetween")
        await until(pilot, lambda: table.row_count() == 1)

    drive(journey, (140, 40), target=fox_keys.parent)


def test_what_a_run_made_is_drawn_where_the_cursor_rests_on_it(
    fox_keys: Path, grey_pictures: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Browse, "preview_after_s", 0.05)
    folder = write_run(fox_keys.parent / "shot010_inbetween", training())

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "shot010_inbetween", "rest on a stage")
        files = app.screen.query_one("#files", FileList)
        files.cursor = next(i for i, e in enumerate(files._shown) if e.kind == "run")
        await sees(pilot, "no result yet")
        write_state(folder, "done", result="shot010.usda")
        await pilot.press("up", "down")
        await until(pilot, lambda: grey_pictures)
        assert grey_pictures[0]["stage"] == str(folder / "shot010.usda")

    drive(journey, (140, 40), target=fox_keys.parent)


def test_a_stage_on_which_the_cursor_rests_is_drawn(
    fox_keys: Path, grey_pictures: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Browse, "preview_after_s", 0.05)

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "fox_survey_keys.usda")
        await pilot.press("end")
        await until(pilot, lambda: grey_pictures)
        assert grey_pictures[0]["stage"] == str(fox_keys)
        assert grey_pictures[0]["time"] is None
        await pilot.press("up")
        await sees(pilot, "Preview")

    drive(journey, (140, 40), target=fox_keys.parent)
