"""One task description behind all targets, run by the engines themselves."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from engine.errors import ConfigError, EngineError
from engine.farm.batch import Needs, Submission, good_chunk, is_current, summarise
from engine.farm.openjd import template, validate
from engine.farm.pool import run_pool
from engine.farm.shots import map_path, mapped, read_path_mapping, read_shots, shots_of_stages, write_shots
from engine.farm.slurm import submit as to_slurm
from engine.runs.registry import find_run, forget_gone, list_runs
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "scripts"))


def shot_list(folder: Path, text: str) -> Path:
    path = folder / "list.toml"
    path.write_text(text)
    return path


@pytest.fixture
def stub(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A batch of shots whose command does nothing but leave what a finished run leaves."""
    from pool_campaign import STUB

    def make(names: list[str], needs: Needs = Needs(timeout_min=1)) -> Submission:  # noqa: B008
        (tmp_path / "stub.py").write_text(STUB)
        for name in names:
            (tmp_path / f"{name}.usda").write_text("#usda 1.0")
        shots, out = shots_of_stages([str(tmp_path / f"{name}.usda") for name in names], {}), tmp_path / "out"
        write_shots(shots, out)
        script = [sys.executable, str(tmp_path / "stub.py"), str(out / "shots.toml")]
        return Submission(shots, out, needs, lambda number: [*script, str(number), str(out)])

    return make


def test_shots_take_shared_settings_and_paths_relative_to_the_list(tmp_path: Path) -> None:
    text = "[settings]\nprior = 'spline'\n[[shot]]\nstage = 'a.usda'\n[[shot]]\nstage = 'a.usda'\nprior = 'hold'\n"
    first, second = read_shots(shot_list(tmp_path, text))
    assert (first.name, second.name) == ("a", "a_2")
    assert (first.config.prior, second.config.prior) == ("spline", "hold")
    assert first.config.stage == str(tmp_path / "a.usda")
    write_shots((first, second), tmp_path / "out")
    assert read_shots(tmp_path / "out" / "shots.toml") == (first, second)


def test_all_paths_of_a_shot_are_relative_to_the_list_and_mapped(tmp_path: Path) -> None:
    (tmp_path / "render.json").touch()
    text = "[[shot]]\nstage = 'a.usda'\nvideo = 'front.mp4'\ncamera = 'render.json'\nsecond_camera = 'left'\n"
    (shot,) = read_shots(shot_list(tmp_path, text + "second_video = 'left.mp4'\n"))
    assert shot.config.video == str(tmp_path / "front.mp4")
    assert (shot.config.camera, shot.config.second_camera) == (str(tmp_path / "render.json"), "left")
    write_shots((shot,), tmp_path / "out")
    assert read_shots(tmp_path / "out" / "shots.toml") == (shot,)
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "render.json").touch()
    there = mapped(shot.config, [(PurePosixPath(tmp_path), str(tmp_path / "farm"))])
    assert there == replace(
        shot.config,
        stage=str(tmp_path / "farm" / "a.usda"),
        video=str(tmp_path / "farm" / "front.mp4"),
        camera=str(tmp_path / "farm" / "render.json"),
        second_video=str(tmp_path / "farm" / "left.mp4"),
    )


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "..", "a/b", ".hidden", "\x1b[2J", "jobs", "template.json", "x" * 999]
)
def test_shot_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    text = f"[[shot]]\nstage = 'a.usda'\nname = {json.dumps(name)}\n"
    (shot,) = read_shots(shot_list(tmp_path, text))
    assert shot.folder(tmp_path).parent == tmp_path
    assert shot.name not in ("", ".", "..", "jobs", "template.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no"),
        ("shot = 3", "holds no"),
        ("[[shot]]\nstage = 'a'\nout = '/tmp'", "sets 'out'"),
        ("[[shot]]\nstage = 'a'\nspeed = 3", "unknown settings 'speed'"),
        ("settings = 3\n[[shot]]\nstage = 'a'", "settings is no table"),
        ("[[shot]]\n", "no stage"),
        ("[[shot]", "no valid TOML"),
    ],
)
def test_wrong_lists_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_shots(shot_list(tmp_path, text))


def test_paths_are_mapped_by_the_longest_rule(tmp_path: Path) -> None:
    rules = [("POSIX", "/show", "/mnt/a"), ("POSIX", "/show/x", "/mnt/b"), ("WINDOWS", "Z:\\show", "/mnt/c")]
    entries = [{"source_path_format": f, "source_path": s, "destination_path": d} for f, s, d in rules]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": entries}))
    read = read_path_mapping(path)
    assert map_path("/show/x/s.usda", read) == "/mnt/b/s.usda"
    assert map_path("/show/y/s.usda", read) == "/mnt/a/y/s.usda"
    assert map_path("z:\\SHOW\\s.usda", read) == "/mnt/c/s.usda"
    assert map_path("/showy/s.usda", read) == "/showy/s.usda"


def test_template_is_valid_and_asks_for_what_a_shot_needs(tmp_path: Path) -> None:
    pytest.importorskip("openjd.model")
    needs = Needs(gpus=1, memory_gb=24, timeout_min=90)
    values = template(Submission(shots_of_stages(["a.usda", "b.usda"], {}), tmp_path, needs))
    assert validate(values)
    (step,) = values["steps"]
    amounts = {a["name"]: a["min"] for a in step["hostRequirements"]["amounts"]}
    assert amounts == {"amount.worker.vcpu": 2, "amount.worker.memory": 24576, "amount.worker.gpu": 1}
    action = step["script"]["actions"]["onRun"]
    assert action["timeout"] == 5400
    assert action["cancelation"]["mode"] == "NOTIFY_THEN_TERMINATE"
    assert str(tmp_path) not in json.dumps(values)


def test_a_chunk_is_a_task_of_the_template_with_the_time_of_all_its_shots(tmp_path: Path) -> None:
    pytest.importorskip("openjd.model")
    shots = shots_of_stages(["a.usda", "b.usda", "c.usda"], {})
    values = template(Submission(shots, tmp_path, Needs(timeout_min=90), chunk=2))
    assert validate(values)
    assert values["extensions"] == ["TASK_CHUNKING"]
    (step,) = values["steps"]
    (parameter,) = step["parameterSpace"]["taskParameterDefinitions"]
    assert parameter["type"] == "CHUNK[INT]"
    assert (parameter["range"], parameter["chunks"]["defaultTaskCount"]) == ("1-3", 2)
    assert step["script"]["actions"]["onRun"]["timeout"] == 10800


@pytest.mark.parametrize("chunk", [1, 2])
def test_openjd_runs_the_template(data: Path, tmp_path: Path, chunk: int) -> None:
    openjd = Path(sys.executable).with_name("openjd")
    if not openjd.exists():
        pytest.skip("openjd-cli is not installed")
    stage = data / "edge" / "fox_survey_keys.usda"
    shots = shots_of_stages([str(stage)] * chunk, {"preview": False, "prior": "spline"})
    out = tmp_path / "out"
    write_shots(shots, out)
    (out / "template.json").write_text(json.dumps(template(Submission(shots, out, chunk=chunk))))
    command = tmp_path / "anymole"
    command.write_text(
        f'#!/bin/sh\necho x >>{tmp_path}/processes\nexec {sys.executable} -m anymole_tui "$@"\n'
    )
    command.chmod(0o755)
    call = [openjd, "run", out / "template.json", "--step", "InBetween", "-p", f"Anymole={command}"]
    done = subprocess.run(
        call, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "openjd_progress: 100.0" in done.stdout
    assert summarise(shots, out).states == {"done": chunk}
    assert (tmp_path / "processes").read_text() == "x\n"


def test_pool_does_all_shots_once_and_skips_what_is_done(stub, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    batch = stub(["a", "b", "c"])
    told: list[tuple[str, str]] = []
    for _ in range(2):
        run_pool(
            batch, jobs=2, on_shot=lambda shot, state: told.append((shot.name, state)), stop=lambda: False
        )
    assert sorted(told) == sorted([("a", "done"), ("b", "done"), ("c", "done")] * 2)
    assert [(batch.out / n / "ran").read_text() for n in "abc"] == ["x", "x", "x"]
    assert summarise(batch.shots, batch.out).exit_code == 0
    (tmp_path / "a.usda").write_text("#usda 1.0\n# changed")
    assert [is_current(shot, batch.out) for shot in batch.shots] == [False, True, True]


def test_pool_tries_again_and_goes_on_past_a_failure(stub) -> None:  # type: ignore[no-untyped-def]
    batch = stub(["a", "b"], Needs(timeout_min=1, retries=2))
    good = batch.command
    fail = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(1)"
    marks = batch.out / "marks"
    broken = Submission(
        batch.shots,
        batch.out,
        batch.needs,
        lambda n: [sys.executable, "-c", fail, str(marks)] if n == 1 else good(n),
    )
    run_pool(broken, jobs=1, on_shot=lambda shot, state: None, stop=lambda: False)
    assert marks.read_text() == "xxx"
    assert summarise(batch.shots, batch.out).states == {"queued": 1, "done": 1}


def test_a_chunk_is_one_process_and_a_shot_that_fails_keeps_none_of_it_back(
    data: Path, tmp_path: Path
) -> None:
    good, bad = data / "edge" / "fox_survey_keys.usda", tmp_path / "bad.usda"
    bad.write_text("#usda 1.0\n")
    settings = {"preview": False, "report": False, "prior": "hold"}
    shots = shots_of_stages([str(good), str(bad), str(good)], settings)
    out = tmp_path / "out"
    write_shots(shots, out)
    batch = Submission(shots, out, Needs(timeout_min=1, retries=0), chunk=3)
    assert batch.chunks() == ((1, 2, 3),)
    told: list[tuple[str, str]] = []
    run_pool(batch, jobs=2, on_shot=lambda shot, state: told.append((shot.name, state)), stop=lambda: False)
    assert [state for _, state in told] == ["done", "failed", "done"]
    assert len(list((out / "jobs").glob("*_log.out"))) == 1


def test_a_process_that_is_killed_takes_no_shot_with_it_that_it_had_not_begun(stub, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    alone = stub(["a", "b", "c"])
    calls: list[tuple[int, ...]] = []

    def command(*numbers: int) -> list[str]:
        """All of a chunk one after another; shot 2 kills the process the first time."""
        calls.append(numbers)
        steps = [alone.command(n) for n in numbers]
        if len(calls) == 1:
            steps[1] = [sys.executable, "-c", "import os; os.kill(os.getppid(), 9)"]
        script = (
            "import subprocess, sys, json; [subprocess.run(s, check=True) for s in json.loads(sys.argv[1])]"
        )
        return [sys.executable, "-c", script, json.dumps(steps)]

    batch = Submission(alone.shots, alone.out, Needs(timeout_min=1, retries=1), command, chunk=3)
    run_pool(batch, jobs=1, on_shot=lambda shot, state: None, stop=lambda: False)
    assert calls == [(1, 2, 3), (2, 3)]
    assert summarise(batch.shots, batch.out).states == {"done": 3}
    assert [(batch.out / n / "ran").read_text() for n in "abc"] == ["x", "x", "x"]


def test_short_shots_share_a_process_where_all_stay_busy() -> None:
    shots = shots_of_stages([f"{n}.usda" for n in range(100)], {})
    assert good_chunk(shots, Needs(), 2) == 8
    assert good_chunk(shots[:10], Needs(), 2) == 1
    assert good_chunk(shots, Needs(gpus=1), 2) == 1
    assert good_chunk(shots_of_stages(["a.usda"] * 100, {"engine": "video"}), Needs(), 2) == 1


def test_pool_refuses_shots_that_need_more_gpus_than_there_are(stub) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="GPUs"):
        run_pool(
            stub(["a"], Needs(gpus=2)), jobs=1, on_shot=lambda shot, state: None, stop=lambda: False, gpus=1
        )


SBATCH = """#!/bin/sh
for last; do :; done
export SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=1
export SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here SLURM_JOB_NODELIST=here
for task in 0 1; do  # as Slurm does, once submitit has handed the task over
  (
    until [ -e "$(dirname "$last")/7_${task}_submitted.pkl" ]; do sleep 0.05; done
    SLURM_ARRAY_TASK_ID=$task sh "$JOBS/script.sh"
  ) > /dev/null 2>&1 &
done
cp "$last" "$JOBS/script.sh"
echo "Submitted batch job 7"
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do
  case "$1" in *=*|--unbuffered) shift;; *) shift; shift;; esac
done
exec "$@"
"""


def test_slurm_gets_one_array_with_a_task_per_shot(
    stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    """With stand-ins for Slurm's two commands that run the array."""
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(text)
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    batch = stub(["a", "b"], Needs(gpus=1, memory_gb=8, timeout_min=30))
    monkeypatch.setenv("JOBS", str(tmp_path))
    assert to_slurm(batch, jobs=4, partition="gpu") == ["7_0", "7_1"]
    script = (tmp_path / "script.sh").read_text()
    for line in (
        "--array=0-1%2",
        "--gpus-per-node=1",
        "--mem=8192MB",
        "--time=30",
        "--partition=gpu",
        "--requeue",
    ):
        assert line in script
    end = time.monotonic() + PATIENCE_S
    while summarise(batch.shots, batch.out).exit_code and time.monotonic() < end:
        time.sleep(0.05)
    assert summarise(batch.shots, batch.out).states == {"done": 2}


def test_slurm_that_is_not_there_is_one_sentence(stub, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    with pytest.raises(EngineError, match="Slurm did not take"):
        to_slurm(stub(["a", "b"]), jobs=1)


def test_ray_runs_every_shot(stub) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("ray")
    from engine.farm.on_ray import run_on_ray

    batch = stub(["a", "b"], Needs(cpus=1, memory_gb=0.1, timeout_min=1))
    run_on_ray(batch, address="local", on_shot=lambda shot, state: None, stop=lambda: False)
    assert summarise(batch.shots, batch.out).states == {"done": 2}


def test_a_shot_over_its_time_limit_failed_for_that_reason(data: Path, tmp_path: Path) -> None:
    stage = data / "edge" / "fox_survey_keys.usda"
    shots, out = shots_of_stages([str(stage)], {"prior": "slerp", "preview": False}), tmp_path / "out"
    write_shots(shots, out)
    slow = (
        "import sys, time; from pathlib import Path; from engine.errors import RunCancelled; "
        "from engine.run import run; from engine.config import RunConfig\n"
        "def wait(event):\n"
        "    time.sleep(0.05)\n"
        "    if (Path(sys.argv[2]) / 'cancel').exists(): raise RunCancelled('stopped by the user')\n"
        "while True:\n"
        "    run(RunConfig(stage=sys.argv[1], out=sys.argv[2], force=True, prior='slerp', preview=False), wait)\n"
        "    (Path(sys.argv[2]) / 'artefacts.json').unlink()"
    )
    batch = Submission(
        shots,
        out,
        Needs(timeout_min=0.005),  # once it is over a run hears of it as soon as it is at work
        lambda *_: [sys.executable, "-c", slow, str(stage), str(shots[0].folder(out))],
    )
    ended: list[str] = []
    run_pool(batch, jobs=1, on_shot=lambda shot, state: ended.append(state), stop=lambda: False)
    found = summarise(shots, out)
    assert ended == ["failed"]
    assert found.states == {"failed": 1}
    assert "longer than its time limit of 0.005 min" in str(found.failures[0]["message"])


def test_shots_of_a_farm_are_in_the_list_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have begun; a farm whose folder is gone is forgotten."""
    monkeypatch.setenv("ANYMOLE_STATE_DIR", str(tmp_path / "known"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    out = tmp_path / "out"
    write_shots(shots_of_stages([str(tmp_path / f"{name}.usda") for name in "ab"], {}), out)
    assert list_runs() == []
    (out / "a").mkdir()
    (out / "a" / "state.json").write_text(json.dumps({"id": "0123abcd", "state": "done"}))
    (record,) = list_runs()
    assert (record.id, record.folder) == ("0123abcd", str(out / "a"))
    assert find_run("0123") == out / "a"
    assert list_runs(farms=False) == []
    assert forget_gone() == 0
    shutil.rmtree(out)
    assert (list_runs(), forget_gone()) == ([], 1)
