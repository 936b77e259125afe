"""Submissions as files for other schedulers, checked by their own validators."""

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.farm.batch import Needs, Submission
from engine.farm.commands import write_commands
from engine.farm.kubernetes import Cluster, job, write_job
from engine.farm.openjd import write_template
from engine.farm.shots import ShotTask, shots_of_stages

CLUSTER = Cluster("registry.example/anymole:1", "show")


@pytest.fixture
def batch(data: Path, tmp_path: Path) -> Submission:
    """Two shots with the same layers, and one that cannot be opened."""
    shutil.copytree(data / "fox", tmp_path / "fox")
    (tmp_path / "edge").mkdir()
    for name in ("a b", "c"):
        shutil.copy(data / "edge" / "fox_survey_keys.usda", tmp_path / "edge" / f"{name}.usda")
    (tmp_path / "edge" / "broken.usda").write_text("no usd")
    stages = [str(tmp_path / "edge" / f"{name}.usda") for name in ("a b", "c", "broken")]
    return Submission(shots_of_stages(stages, {}), tmp_path / "out", Needs(gpus=1, memory_gb=1.5, retries=2))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_deadline_bundle_is_whole(batch: Submission, tmp_path: Path) -> None:
    write_template(batch)
    values = {v["name"]: v["value"] for v in read(batch.out / "parameter_values.json")["parameterValues"]}
    assert values == {
        "deadline:priority": 50,
        "deadline:maxRetriesPerTask": 2,
        "deadline:maxFailedTasksCount": 3,
    }
    assets = read(batch.out / "asset_references.json")["assetReferences"]
    names = [str(Path(path).relative_to(tmp_path)) for path in assets["inputs"]["filenames"]]
    assert names == [
        "edge/a b.usda",
        "edge/broken.usda",
        "edge/c.usda",
        "fox/fox.usdc",
        "fox/textures/fox_material.png",
    ]
    assert assets["outputs"]["directories"] == [str(batch.out)]


def test_folders_of_pictures_are_brought_along(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    config = RunConfig(stage=str(tmp_path / "a.usda"), video=str(tmp_path / "frames"))
    write_template(Submission((ShotTask("a", config),), tmp_path / "out"))
    assets = read(tmp_path / "out" / "asset_references.json")["assetReferences"]
    assert assets["inputs"]["directories"] == [str(tmp_path / "frames")]


def test_commands_are_one_line_a_shot_and_a_shell_takes_them(batch: Submission) -> None:
    path = write_commands(batch)
    lines = path.read_text().splitlines()
    assert [shlex.split(line) for line in lines] == [batch.task(n) for n in (1, 2, 3)]
    broken = subprocess.run(["sh", "-c", lines[2]], capture_output=True, text=True, timeout=120)
    assert broken.returncode == 4
    assert "broken.usda" in broken.stderr


def test_a_job_is_valid_kubernetes(batch: Submission, tmp_path: Path) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    values = read(write_job(batch, CLUSTER, jobs=2))
    validator.validate(values, validator.latest_version(), strict=True)
    queued = job(batch, Cluster("i", "c", queue="team-a"), jobs=2)
    validator.validate(queued, validator.latest_version(), strict=True)
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert queued["spec"]["suspend"] is True
    assert "suspend" not in values["spec"]


def test_a_job_asks_for_what_a_shot_needs_and_retries_what_may_pass(
    batch: Submission, tmp_path: Path
) -> None:
    spec = job(batch, CLUSTER, jobs=2)["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == (3, 2, 2)
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [2, 4, 130]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "1536Mi", "nvidia.com/gpu": 1}
    assert container["volumeMounts"][0]["mountPath"] == str(tmp_path)


@pytest.mark.parametrize(("chunk", "index", "numbers"), [(1, 1, "2"), (2, 0, "1-2"), (2, 1, "3-3")])
def test_a_pod_does_the_shots_of_its_index(
    batch: Submission, tmp_path: Path, chunk: int, index: int, numbers: str
) -> None:
    spec = job(replace(batch, chunk=chunk), CLUSTER, jobs=1)["spec"]
    assert spec["completions"] == {1: 3, 2: 2}[chunk]
    assert spec["template"]["spec"]["activeDeadlineSeconds"] == chunk * 240 * 60
    (container,) = spec["template"]["spec"]["containers"]
    write_commands(batch)  # writes the shot list
    command = tmp_path / "bin" / "anymole"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; print(sys.argv[1:])" "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{command.parent}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": str(index)}
    done = subprocess.run(container["command"], capture_output=True, text=True, env=environment, timeout=60)
    out = str(batch.out)
    assert done.stdout.strip() == str(
        ["shot", f"{out}/shots.toml", "--out", out, "--progress", "none", "--number", numbers]
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("", "c"), "needs an image"),
        (("i", ""), "needs an image"),
        (("i", "Not A Name"), "no name of Kubernetes"),
        (("i", "c", "relative"), "no absolute path"),
        (("i", "c", "", "a/b"), "no name of Kubernetes"),
    ],
)
def test_wrong_names_are_refused(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Cluster(*names)


def test_paths_without_a_shared_folder_need_a_mount(tmp_path: Path) -> None:
    batch = Submission(shots_of_stages(["/nowhere/a.usda"], {}), tmp_path)
    with pytest.raises(ConfigError, match="share no folder"):
        job(batch, CLUSTER, jobs=1)
    assert job(batch, Cluster("i", "c", "/"), jobs=1)
