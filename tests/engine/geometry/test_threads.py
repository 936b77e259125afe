"""Pieces of work on several processors."""

import threading
import time

import pytest

from engine.geometry.threads import MOST_THREADS, side_by_side, usable_threads


def _slow_at_first(piece: int) -> tuple[int, str]:
    time.sleep(0.02 if piece < 2 else 0.0)
    return piece * piece, threading.current_thread().name


@pytest.mark.parametrize("threads", ["1", "3"])
def test_results_come_in_the_order_of_the_pieces(monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    made, workers = zip(*side_by_side(_slow_at_first, range(12)), strict=True)
    assert made == tuple(n * n for n in range(12))
    assert (len(set(workers)) > 1) == (threads == "3")


def test_few_pieces_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    workers = {worker for _, worker in side_by_side(_slow_at_first, range(3))}
    assert workers == {threading.current_thread().name}


def test_what_has_not_begun_is_left_out_when_the_work_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    begun: list[int] = []

    def work(piece: int) -> int:
        begun.append(piece)
        time.sleep(0.02 if piece else 0.0)
        return piece

    pieces = side_by_side(work, range(1000))
    assert next(pieces) == 0
    pieces.close()
    assert len(begun) < 1000


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("2", 2), ("1000", MOST_THREADS)])
def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch, value: str, threads: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert usable_threads() == threads


@pytest.mark.parametrize("value", ["", "0", "-1", "2,1", "many", "²"])
def test_a_number_that_is_none_leaves_it_to_the_processors(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert 1 <= usable_threads() <= MOST_THREADS
