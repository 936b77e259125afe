"""What all tests of the faces share."""

import gc
from collections.abc import Iterator

import pytest

from anymole_tui.tui.preload import COLLECTED_AFTER


@pytest.fixture(autouse=True, scope="package")
def _rare_collections() -> Iterator[None]:
    """As in use: by Python's own measure a third of the time of these tests went to collecting."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTED_AFTER)
    yield
    gc.set_threshold(*before)
