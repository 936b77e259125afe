"""One thread: the pictures are small and other programs may want the cores."""

from collections.abc import Iterator

import pytest

from engine.rendering.threads import limited_threads


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    with limited_threads(1):
        yield
