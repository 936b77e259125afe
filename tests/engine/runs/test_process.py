"""Signals as a wish to stop: one wish stops a run once, wherever it is, and leaves it time to say so."""

import signal
import time

import pytest

from engine.errors import RunCancelled, RunTerminated
from engine.runs import process
from engine.runs.process import stop_signals


def test_a_signal_is_kept_until_it_is_asked_for() -> None:
    with stop_signals() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(RunTerminated, match="SIGTERM"):
            stop()


def test_the_same_wish_told_twice_stops_once_and_where_it_is_asked_for() -> None:
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        stop.ask()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(RunCancelled):
            stop()


def test_a_run_that_says_how_it_ended_is_not_disturbed() -> None:
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(RunCancelled):
            stop()
        signal.raise_signal(signal.SIGINT)


def test_a_second_wish_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SAME_WISH_S", 0.0)
    with stop_signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(RunCancelled):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("asked", [False, True])
def test_a_run_that_never_asks_is_stopped_where_it_is(monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.1)
    with stop_signals() as stop:
        if asked:
            stop.ask()
        else:
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(RunCancelled):
            time.sleep(30)


def test_nothing_is_asked_of_a_process_that_does_not_listen() -> None:
    with stop_signals() as stop:
        pass
    stop.ask()  # an alarm that nobody handles would end this process
