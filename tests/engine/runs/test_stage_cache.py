"""Stages as values: the key follows from what goes in, and nothing else decides whether a stage is done again."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.events import Event, StageReused
from engine.progress import Progress
from engine.runs.stage_cache import FileStage, Stage, StageCache, StageWork, load_json, save_json
from engine.runs.workspace import Workspace


@dataclass(frozen=True)
class Inputs:
    """Of a stage that counts how often it is done."""

    seed: int
    made: list[int] = field(compare=False)


def _make(inputs: Inputs, work: StageWork) -> dict[str, object]:
    inputs.made.append(inputs.seed)
    return {"seed": inputs.seed, "pair": (1, 2)}


def stage(inputs: Inputs, name: str = "fill") -> Stage[Inputs, dict[str, object]]:
    return Stage(name, inputs, _make, save_json, load_json, f"{name}-{inputs.seed}.json")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace(tmp_path / "run")
    yield opened
    opened.close()


def cache_of(workspace: Workspace, events: list[Event] | None = None) -> StageCache:
    return StageCache(workspace, Progress(([] if events is None else events).append), workspace.folder)


def test_a_stage_is_done_again_only_when_its_inputs_change(workspace: Workspace) -> None:
    made: list[int] = []
    for seed in (1, 1, 2):
        cache_of(workspace).get(stage(Inputs(seed, made)))
    assert made == [1, 2]


def test_neither_the_order_of_calls_nor_other_stages_count(workspace: Workspace) -> None:
    made: list[int] = []
    first = cache_of(workspace)
    for seed in (1, 2):
        first.get(stage(Inputs(seed, made)))
    second = cache_of(workspace)
    for seed in (2, 3, 1):
        second.get(stage(Inputs(seed, made)))
    assert made == [1, 2, 3]
    second.get(replace(stage(Inputs(1, made)), name="score"))
    assert made == [1, 2, 3, 1]


def test_what_is_made_is_what_is_read_back(workspace: Workspace) -> None:
    made: list[int] = []
    outcomes = [cache_of(workspace).get(stage(Inputs(1, made))) for _ in range(2)]
    assert outcomes[0] == outcomes[1] == {"seed": 1, "pair": [1, 2]}


def test_a_stage_counts_as_reused_when_all_its_outcomes_were_there(workspace: Workspace) -> None:
    events: list[Event] = []
    for seeds in ((1,), (1, 2), (1, 2)):
        cache = cache_of(workspace, events)
        with cache.stage("fill"):
            for seed in seeds:
                cache.get(stage(Inputs(seed, [])))
    assert [e for e in events if isinstance(e, StageReused)] == [StageReused("fill")]


def test_work_aside_is_kept_apart(workspace: Workspace) -> None:
    made: list[int] = []
    cache = cache_of(workspace)
    cache.get(stage(Inputs(1, made)))
    aside = cache.beside("self_test", Progress())
    aside.get(stage(Inputs(1, made)))
    assert made == [1, 1]
    assert (workspace.folder / "artefacts" / "self_test" / "fill-1.json").is_file()


def test_files_count_while_they_are_as_they_were_written(workspace: Workspace) -> None:
    made: list[int] = []

    def write(inputs: Inputs, work: StageWork) -> tuple[Path, ...]:
        made.append(inputs.seed)
        path = work.folder / "a.txt"
        path.write_text(str(inputs.seed))
        return (path,)

    files = FileStage("author", Inputs(1, made), write)
    (path,) = cache_of(workspace).files(files)
    cache_of(workspace).files(files)
    assert made == [1]
    path.write_text("by hand")
    cache_of(workspace).files(files)
    assert (made, path.read_text()) == ([1, 1], "1")
