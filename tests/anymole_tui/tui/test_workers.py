"""A service of the UI: requested, stopped, killed in the middle of an answer, and started again."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from anymole_tui.tui.workers import Service
from engine.errors import EngineError

MODULE = """
import os, sys, time
from engine.errors import DataError
from engine.workers.protocol import main

def answer(request, stopped):
    if "refuse" in request:
        raise DataError("that cannot be done.")
    if "wait" in request:
        while not stopped():
            time.sleep(0.01)
        return {"stopped": True}, b""
    if "die" in request:
        sys.stdout.write('{"bytes": 100}\\\\n' + "x" * 10)
        sys.stdout.flush()
        os._exit(1)
    return {"pid": os.getpid()}, b"\\\\0\\\\n" * request["pairs"]

main(answer)
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    (tmp_path / "a_service.py").write_text(MODULE.replace("\\\\", "\\"))
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(root))))
    made = Service("a_service", "it has ended.")
    yield made
    made.close()


def test_answers_and_what_follows_them_come_whole(service: Service) -> None:
    told, content = service.ask({"pairs": 100_000})
    assert content == b"\0\n" * 100_000
    with pytest.raises(EngineError, match=r"that cannot be done\."):
        service.ask({"refuse": 1})
    assert service.ask({"pairs": 0}) == ({"pid": told["pid"]}, b"")


def test_one_that_is_not_waited_for_is_stopped_and_the_next_has_its_own_answer(service: Service) -> None:
    service.ask({"pairs": 0})
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert service.ask({"wait": 1}, stop.is_set) == ({"stopped": True}, b"")
    assert service.ask({"pairs": 1})[1] == b"\0\n"
    with pytest.raises(EngineError, match="stopped"):
        service.ask({"pairs": 1}, lambda: True)


def test_a_process_that_ends_is_said_and_started_anew(service: Service) -> None:
    before = service.ask({"pairs": 0})[0]["pid"]
    with pytest.raises(EngineError, match=r"it has ended\."):
        service.ask({"die": 1})
    assert service.ask({"pairs": 0})[0]["pid"] != before
