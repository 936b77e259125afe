"""The report as text: whole, small, inert, and true to the run."""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.events import Event, Note
from engine.report import page as report_page
from engine.report.contents import gather, read_contents
from engine.report.page import command
from engine.report.write import page_of, run_of, write_report
from engine.run import run
from tests.engine.report.conftest import STEM

VOID = {"meta", "input", "img", "br", "line", "rect", "polyline", "polygon"}


class Parsed(HTMLParser):
    """The elements of a page, checked for being closed, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open[-1] if self._open else "", []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(reported: Path) -> str:
    return (reported / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(text: str) -> Parsed:
    return Parsed(text)


def data_of(parsed: Parsed) -> dict[str, Any]:
    (data,) = [t for t in parsed.texts["script"] if t.startswith("{")]
    return json.loads(data)  # type: ignore[no-any-return]


def test_a_report_is_one_small_file_without_addresses(text: str, parsed: Parsed) -> None:
    assert len(text.encode()) < 3_000_000
    assert {*re.findall(r"\w+://[^\s\"'`\\)]+", text)} == {
        "http://www.w3.org/1999/xhtml",  # a name, never asked for
        "http://www.w3.org/2000/svg",
    }
    for _, attributes in parsed.elements:
        for name in ("src", "href", "poster", "action"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not parsed.attributes("link") + parsed.attributes("iframe") + parsed.attributes("form")


def test_only_its_own_scripts_may_run(text: str, parsed: Parsed) -> None:
    (policy,) = [
        a["content"] for a in parsed.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        allowed = set(re.search(rf"{rule} ([^;]+)", policy)[1].split())  # type: ignore[index]
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes = {
            f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in inline
        }
        assert inline
        assert hashes == allowed
    for _, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_hostile_text_is_shown_and_does_nothing(text: str, parsed: Parsed) -> None:
    assert "<img" not in text
    assert "\u202e" not in text
    assert any("<img src=x onerror=alert(1)>" in t for t in parsed.texts["code"])
    assert any("</script><img src=x onerror=alert(1)>" in t for t in parsed.texts["td"])
    assert parsed.texts["h1"] == [f"{STEM}.usda"]


def test_it_says_what_an_animator_asks(text: str, parsed: Parsed) -> None:
    said = " ".join("".join(parsed.texts["li"] + parsed.texts["b"]).split())
    assert "frames filled in 2 gaps, between 3 keys." in said
    assert re.search(r"about [\d.]+ (mm|cm) off", text)
    assert len([a for a in parsed.attributes("tr") if "data-start" in a]) == 2
    assert data_of(parsed)["takes"] == ["slerp", "result", "take 2", "truth"]
    assert data_of(parsed)["keys"] == [0.0, 12.0, 24.0]


def test_it_is_made_again_from_the_folder_and_moves_with_it(
    reported: Path, tmp_path: Path, text: str
) -> None:
    def without_time(page: str) -> str:
        return re.sub(r"report of [^<]+", "", page)

    again = write_report(run_of(str(reported / f"{STEM}_inbetween.usda")), tmp_path / "again.html")
    assert without_time(again.read_text(encoding="utf-8")) == without_time(text)
    moved = tmp_path / "place"
    shutil.copytree(reported.parent, moved)
    assert "exact" in page_of(moved / "run")


@pytest.mark.parametrize(
    ("prior", "model", "tour"),
    [("video", "tiny", True), ("video", "dynamicrafter", False), ("learned", "tiny", False)],
)
def test_a_result_of_the_tiny_model_is_called_a_tour(
    reported: Path, prior: str, model: str, tour: bool
) -> None:
    made = read_contents(reported)
    scores = {path: {**each, "prior": prior} for path, each in made.result["scores"].items()}
    notes = gather(replace(made.config, model=model), {**made.result, "scores": scores}, reported).notes
    assert any("tiny model is a tour" in note for note in notes) is tour


def test_folders_without_a_result_are_named(tmp_path: Path, reported: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        page_of(tmp_path)
    shutil.copy(reported / "run.toml", tmp_path)
    with pytest.raises(ConfigError, match="holds no result yet"):
        page_of(tmp_path)
    (tmp_path / "report.json").write_text('{"result": 3}')
    with pytest.raises(ConfigError, match="holds no result yet"):
        page_of(tmp_path)


def test_no_report_writes_none_and_a_failure_is_a_warning(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(name: str, on_event: Callable[[Event], None], *, report: bool) -> str:
        stage = str(data / "edge" / "fox_survey_keys.usda")
        out = str(tmp_path / name)
        config = RunConfig(
            stage=stage, keys=(0.0, 12.0), prior="slerp", preview=False, report=report, out=out
        )
        return run(config, on_event).report

    events: list[Event] = []
    assert go("none", events.append, report=False) == ""

    def broken(*arguments: object) -> str:
        raise ZeroDivisionError("nothing to say")

    monkeypatch.setattr("engine.stages.report.report_page", broken)
    assert go("broken", events.append, report=True) == ""
    assert not list(tmp_path.glob("*/report.html"))
    notes = [e.text for e in events if isinstance(e, Note) and e.level == "warning"]
    assert "no report was written: ZeroDivisionError: nothing to say" in notes


def test_the_command_names_what_is_not_the_default() -> None:
    config = RunConfig(
        stage="a b.usda", keys=(1.0, 2.5), context=((0.0, 1.0),), contacts=False, takes=3, lock=("Head",)
    )
    assert command(config) == (
        "anymole run 'a b.usda' --context 0:1 --keys 1,2.5 --lock Head --no-contacts --takes 3"
    )


def test_json_in_a_page_is_no_markup() -> None:
    page = report_page.document("t", "", ["b{}"], ["1"], {"name": "</script><script>alert(1)</script>\u2028"})
    assert page.count("<script") == 2
    assert json.loads(Parsed(page).texts["script"][0]) == {"name": "</script><script>alert(1)</script>\u2028"}
