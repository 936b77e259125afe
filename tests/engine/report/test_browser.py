"""The report in a real browser; these run where Chromium is installed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.chromium import CHROMIUM, Page, chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
DRAWN = "document.documentElement?.dataset.drawn"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> object:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def test_a_report_opens_plays_and_complains_of_nothing(page: Page, reported: Path, tmp_path: Path) -> None:
    report = (reported / "report.html").as_uri()
    page.open(f"{report}#at=6")
    page.until("document.documentElement?.dataset.ready")
    assert page.evaluate("document.documentElement.dataset.ready") == "3d"
    first = int(page.until(DRAWN))
    assert page.evaluate("document.getElementById('clock').textContent") == "time code 6"
    page.press(" ")
    page.until(f"Number({DRAWN}) !== {first}")
    page.press(" ")
    page.press("[")
    page.until("document.getElementById('clock').textContent.endsWith(', key')")
    for key in "gbc2h":
        page.press(key)
    assert page.evaluate(
        "document.getElementById('ghosts').checked && document.getElementById('bones').checked"
    )
    assert page.evaluate("document.getElementById('other').selectedOptions[0].textContent") == "slerp"
    page.evaluate("document.querySelector('tr[data-start]').click()")
    assert page.evaluate("document.getElementById('loop').selectedOptions[0].textContent") == "0 to 12"
    page.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as image:
        assert np.asarray(image.convert("L")).std() > 10
    assert page.complaints == []
    asked = [url for url in page.requests if not url.startswith(("data:", "about:", "blob:"))]
    assert {url.split("#")[0] for url in asked} == {report}


def test_takes_differ_in_the_picture(page: Page, reported: Path) -> None:
    """Between the keys slerp is drawn elsewhere than the second take, at a key all takes alike."""
    pictures = {}
    for at in (6, 12):
        for take in ("slerp", "take 2"):
            page.open(f"{(reported / 'report.html').as_uri()}#at={at}&take={take}")
            page.until(DRAWN)
            pictures[at, take] = page.evaluate("document.getElementById('view').toDataURL()")
    assert pictures[6, "slerp"] != pictures[6, "take 2"]
    assert pictures[12, "slerp"] == pictures[12, "take 2"]
    assert page.complaints == []
