"""The documentation builds as a site, and its links lead somewhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_site_builds_without_a_link_that_leads_nowhere() -> None:
    pytest.importorskip("material", reason="pip install '.[docs]'")
    made = subprocess.run([sys.executable, "scripts/make_site.py"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    index = json.loads((ROOT / "build/site/search/search_index.json").read_text())
    found = {entry["location"].split("#")[0] for entry in index["docs"] if "RunConfig" in entry["text"]}
    assert "docs/api.html" in found
    pages = (ROOT / "build/site").rglob("*.html")
    assert not [page.name for page in pages if "fonts.googleapis" in page.read_text(encoding="utf-8")]
