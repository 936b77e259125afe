"""How far a run is, folded from its events, and what the machine takes, field by field."""

import json
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import (
    Event,
    PlanReady,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageReused,
    StageStarted,
    Telemetry,
    from_json_line,
    to_json_line,
)
from engine.progress import Overall
from engine.runs.telemetry import LoadSampler

WEIGHTS = {"fill": 6.0, "score": 3.0, "author": 1.0}
stage = st.sampled_from([*WEIGHTS, "other"])
number = st.integers(-5, 50)
events = st.one_of(
    st.builds(StageStarted, stage),
    st.builds(StageProgress, stage, number, number),
    st.builds(StageFinished, stage, st.floats(0, 9)),
    st.builds(StageReused, stage),
)


@given(st.lists(st.tuples(events, st.floats(-1e6, 1e6))))
def test_percentage_never_falls_whatever_is_told_and_however_the_clock_jumps(
    told: list[tuple[Event, float]],
) -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, WEIGHTS), 0.0)
    before = 0.0
    for event, at in told:
        overall.take(event, at)
        assert before <= overall.percent <= 100
        assert overall.remaining_s is None or overall.remaining_s >= 0
        before = overall.percent


def test_stages_count_by_their_cost_and_the_rest_is_estimated() -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, WEIGHTS), 100.0)
    overall.take(StageStarted("fill"), 100.0)
    overall.take(StageProgress("fill", 1, 2), 130.0)
    assert (overall.stage, overall.percent) == ("fill", 30.0)
    assert overall.remaining_s == pytest.approx(70.0)
    overall.take(StageFinished("fill", 60.0), 160.0)
    assert overall.percent == 60.0
    overall.take(RunFinished("", "", {}, 0.0), 170.0)
    assert (overall.percent, overall.remaining_s) == (100.0, 0.0)


def test_reused_stages_do_not_make_the_forecast_rosy() -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, WEIGHTS), 0.0)
    overall.take(StageReused("fill"), 0.1)
    overall.take(StageFinished("fill", 0.1), 0.1)
    overall.take(StageProgress("score", 1, 3), 10.1)
    assert overall.remaining_s == pytest.approx(3 * 10.1)


def test_the_plan_says_what_the_stages_cost() -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, WEIGHTS), 0.0)
    overall.take(PlanReady((), {"fill": 96.0}), 0.0)
    overall.take(StageProgress("fill", 1, 2), 60.0)
    assert overall.percent == 48.0
    overall.take(PlanReady(()), 60.0)  # of an older version, which said nothing of it
    overall.take(StageProgress("fill", 1, 1), 120.0)
    assert overall.percent == 96.0


def test_the_first_steps_are_not_believed_and_a_stage_goes_by_its_own_pace() -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, {"fill": 90.0, "preview": 10.0}), 0.0)
    overall.take(StageStarted("fill"), 0.0)
    overall.take(StageProgress("fill", 1, 1000), 2.0)  # as if it took 2,000 s
    assert overall.remaining_s is not None
    assert 90 < overall.remaining_s < 200
    overall.take(StageProgress("fill", 1, 2), 90.0)
    assert overall.remaining_s == pytest.approx(90 + 2 * 10)
    overall.take(StageFinished("fill", 180.0), 180.0)
    overall.take(StageStarted("preview"), 180.0)
    overall.take(StageProgress("preview", 1, 2), 185.0)
    assert overall.remaining_s == pytest.approx(5.0)


def test_a_stage_that_was_reused_for_some_of_its_skeletons_says_nothing_of_the_pace() -> None:
    overall = Overall()
    overall.take(RunStarted("run", {}, WEIGHTS), 0.0)
    overall.take(StageReused("fill"), 0.1)
    overall.take(StageReused("fill"), 0.2)
    overall.take(StageFinished("fill", 0.2), 0.2)
    overall.take(StageProgress("score", 1, 3), 10.2)
    assert overall.remaining_s == pytest.approx(3 * 10.2)


class Refused(Exception):
    """As NVML's errors: one class per cause."""


def fake_nvml(**answers: object) -> types.ModuleType:
    """A driver that answers some questions and refuses all others."""
    module = types.ModuleType("pynvml")

    def refuse(*_: object) -> object:
        raise Refused("Not Supported")

    names = (
        "GetCount",
        "GetHandleByIndex",
        "GetMemoryInfo",
        "GetName",
        "GetUtilizationRates",
        "GetTemperature",
    )
    names += ("GetPowerUsage", "GetEnforcedPowerLimit", "GetComputeRunningProcesses")
    for name in names:
        answer = answers.get(name, refuse)
        setattr(module, f"nvmlDevice{name}", answer if callable(answer) else lambda *_, value=answer: value)
    module.nvmlInit = lambda: None  # type: ignore[attr-defined]
    module.NVML_TEMPERATURE_GPU = 0  # type: ignore[attr-defined]
    return module


def sample(monkeypatch: pytest.MonkeyPatch, **answers: object) -> Telemetry:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(**answers))
    return LoadSampler().sample()


def test_a_gpu_that_says_little_is_shown_with_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = types.SimpleNamespace(used=2 << 30, total=8 << 30)
    told = sample(monkeypatch, GetCount=1, GetHandleByIndex=object(), GetMemoryInfo=memory, GetName=b"Card")
    (gpu,) = told.gpus
    assert (gpu["name"], gpu["memory_used_mb"], gpu["memory_total_mb"]) == ("Card", 2048.0, 8192.0)
    assert gpu["utilisation_percent"] is None
    assert gpu["temperature_c"] is None
    assert gpu["power_w"] is None


def test_nan_and_lost_gpus_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    told = sample(
        monkeypatch, GetCount=2, GetHandleByIndex=object(), GetPowerUsage=float("nan"), GetTemperature=40
    )
    assert [gpu["power_w"] for gpu in told.gpus] == [None, None]
    assert [gpu["temperature_c"] for gpu in told.gpus] == [40.0, 40.0]
    assert sample(monkeypatch).gpus == ()


def test_without_a_driver_the_rest_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake_nvml()
    module.nvmlInit = lambda: (_ for _ in ()).throw(Refused("Library Not Found"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    told = LoadSampler().sample()
    assert told.gpus == ()
    assert "Library Not Found" in told.note
    assert told.process_memory_mb
    assert told.memory_total_mb


def test_telemetry_survives_its_line() -> None:
    told = Telemetry(None, 1.0, 2.0, None, 3.0, ({"index": 0, "power_w": None},), "note")
    assert from_json_line(to_json_line(told, 1.0)) == (told, 1.0)
    assert json.loads(to_json_line(told, 1.0))["cpu_percent"] is None
