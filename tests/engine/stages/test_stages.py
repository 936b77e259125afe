"""The stages of a run: one file each, named as what is told of them; and how often the source is opened."""

import ast
from pathlib import Path

import pytest
from pxr import Usd

import engine
from engine import run as engine_run
from engine.config import RunConfig
from engine.events import Event, StageStarted
from engine.pipeline import STAGE_WEIGHTS, stage_weights
from engine.planning.shot_plan import plan
from engine.settings.choices import PriorName
from engine.stages.self_test import SELF_TEST
from engine.video_pipeline import VIDEO_WEIGHTS

ROOT = Path(engine.__file__).parent
FILES = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
MOST_OPENINGS = 3


def told() -> set[str]:
    """Every text that source code gives to ``.stage(...)``, ``Stage(...)`` or ``FileStage(...)``."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("stage", "Stage", "FileStage"):
                    found.add(str(node.args[0].value))
    return found


def test_every_stage_that_is_told_is_a_file_and_every_file_is_told() -> None:
    assert {*told(), SELF_TEST} == FILES
    assert {*STAGE_WEIGHTS, *VIDEO_WEIGHTS, SELF_TEST} == FILES


@pytest.mark.parametrize("engine", ["motion", "video"])
def test_what_the_settings_leave_out_is_no_stage_to_come(engine: str) -> None:
    all_of_them = stage_weights(RunConfig(stage="shot.usda"), engine)
    fewer = stage_weights(RunConfig(stage="shot.usda", preview=False, report=False), engine)
    assert list(all_of_them) == [*fewer, "preview", "report"]


def test_filling_counts_by_its_gaps_frames_and_takes_and_the_rest_by_what_it_costs(data: Path) -> None:
    def weights(every: int, prior: PriorName = "auto", takes: int = 1) -> dict[str, float]:
        keys = tuple(range(48, 81, every))
        stage = str(data / "fox" / "fox.usdc")
        config = RunConfig(stage=stage, context=((0, 40),), keys=keys, prior=prior, takes=takes)
        return stage_weights(config, "motion", plan(config))

    few, many = weights(32), weights(4)
    fixed = STAGE_WEIGHTS["fill"][0]
    assert many["fill"] - fixed > 3 * (few["fill"] - fixed)  # of 2 gaps and of 9
    assert many["preview"] == few["preview"]
    assert weights(4, takes=5)["fill"] > many["fill"] > weights(4, "spline")["fill"] > fixed
    assert weights(4, "slerp")["fill"] == fixed


def test_the_source_is_opened_a_few_times_only(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = str(data / "fox" / "fox.usdc")
    opened: list[str] = []
    original = Usd.Stage.Open

    def counted(identifier: object, *args: object) -> Usd.Stage:
        opened.append(str(identifier))
        return original(identifier, *args)

    monkeypatch.setattr(Usd.Stage, "Open", counted)
    events: list[Event] = []
    config = RunConfig(
        stage=stage, context=((0, 40),), keys=(50, 60), prior="slerp", out=str(tmp_path / "run")
    )
    engine_run.run(config, events.append)
    assert [e.stage for e in events if isinstance(e, StageStarted)] == list(STAGE_WEIGHTS)
    assert 1 <= opened.count(stage) <= MOST_OPENINGS
