"""Many runs on one page."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import ConfigError
from engine.report.sheet import rows_below, write_sheet
from tests.chromium import CHROMIUM, chromium
from tests.engine.report.conftest import STEM
from tests.engine.report.test_report import Parsed


@pytest.fixture(scope="module")
def place(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: one done, with a picture; one failed, for a reason with markup in it; one whose result is damaged."""
    place = tmp_path_factory.mktemp("sheet") / "filled"
    for name in ("done", "failed", "damaged"):
        shutil.copytree(reported, place / name)
    Image.linear_gradient("L").convert("RGB").save(place / "done" / "preview.png")
    state = json.loads((reported / "state.json").read_text())
    failed = state | {"id": "aaaaaaaa", "state": "failed", "message": "<script>alert(1)</script>"}
    (place / "failed" / "state.json").write_text(json.dumps(failed))
    (place / "damaged" / "state.json").write_text(json.dumps(state | {"id": "bbbbbbbb"}))
    (place / "damaged" / "report.json").write_text('{"result": "x", "scores": {"/A": {}}}')
    return place


def test_every_run_has_its_line_and_what_failed_comes_first(place: Path) -> None:
    rows = rows_below(place)
    assert [Path(row.run.folder).name for row in rows] == ["failed", "done", "damaged"]
    assert [row.frames for row in rows] == [None, 22, None]
    done = rows[1]
    assert (done.gaps, done.exact, done.shot, done.skeleton) == (2, True, f"{STEM}.usda", "/Fox/Skeleton")
    assert done.known is not None
    assert done.slerp is not None
    assert 0 < done.known < 0.1


def test_the_page_is_whole_and_inert(place: Path) -> None:
    text = write_sheet(place).read_text(encoding="utf-8")
    parsed = Parsed(text)
    assert "<script>alert" not in text
    assert [a["href"] for a in parsed.attributes("a")] == [
        f"{n}/report.html" for n in ("failed", "done", "damaged")
    ]
    assert len(parsed.attributes("img")) == 1
    assert len(parsed.attributes("tr")) == 4


def test_folders_without_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no runs"):
        rows_below(tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        rows_below(tmp_path / "nowhere")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_click_on_a_title_sorts(place: Path, tmp_path: Path) -> None:
    url = write_sheet(place).as_uri()
    order = "[...document.querySelectorAll('tbody tr')].map((row) => row.querySelector('.state').textContent).join()"
    with chromium(tmp_path) as page:
        page.open(url)
        page.until("document.documentElement?.dataset.ready")
        assert page.evaluate(order) == "failed,done,done"
        press = "document.querySelectorAll('thead button')[1].click()"
        page.evaluate(f"{press}; {press}")
        assert page.evaluate(order) == "done,done,failed"
        page.evaluate("document.querySelectorAll('thead button')[3].click()")
        known = page.evaluate(
            "[...document.querySelectorAll('tbody tr')].map((row) => row.cells[4].dataset.by !== '')"
        )
        assert known == [True, False, False]  # what is not known comes last
        page.evaluate(
            "const f = document.getElementById('find'); f.value = 'aaaaaaaa'; f.dispatchEvent(new Event('input'))"
        )
        assert (
            page.evaluate("[...document.querySelectorAll('tbody tr')].filter((row) => !row.hidden).length")
            == 1
        )
        assert page.complaints == []
