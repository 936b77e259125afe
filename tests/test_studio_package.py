"""What an installed package adds: a prior and a video model of its own, as the package of examples/ does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engine import run as engine_run
from engine import video_pipeline
from engine.config import RunConfig
from engine.errors import ConfigError, DataError
from engine.mimic.settings import MimicSettings
from engine.planning.plan import make_plan
from engine.priors import catalogue
from engine.priors.fill import fill_motion
from engine.settings import packages
from engine.settings.setting import fields_of
from engine.video.backends import backend
from engine.video.catalogue.added import all_cards
from tests.engine.few import Few
from usd_io import read_shot

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / "examples" / "studio_package"
FOX = ROOT / "examples" / "fox" / "fox.usdc"
KEYS = ROOT / "examples" / "fox" / "fox_survey_keys.usda"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed without a network."""
    target, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "studio"
    for file in (f for f in STUDIO.rglob("*") if f.suffix in (".py", ".toml")):
        (source / file.relative_to(STUDIO)).parent.mkdir(parents=True, exist_ok=True)
        (source / file.relative_to(STUDIO)).write_bytes(file.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def _forget() -> None:
    packages._declared.cache_clear()
    catalogue._added.cache_clear()


@pytest.fixture
def studio(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example, found by this process."""
    monkeypatch.syspath_prepend(str(installed))
    _forget()
    yield installed
    _forget()


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[partial[None]]:
    """Makes a package with a module and entry points."""

    def package(module: str, name: str, *points: str, group: str = packages.PRIORS) -> None:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(points) + "\n")
        (site / f"{name}_code.py").write_text(module)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, f"{name}_code", raising=False)  # of another test
        _forget()

    yield partial(package)
    _forget()


def anymole(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anymole_tui", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "300"},
        check=False,
    )


def test_a_run_uses_its_prior(installed: Path, tmp_path: Path) -> None:
    options = ("--prior", "ease", "--no-preview", "--no-report", "--out", tmp_path / "run", "--json")
    done = anymole(installed, "run", KEYS, *options)
    assert done.returncode == 0, done.stderr
    (scores,) = json.loads(done.stdout)["scores"].values()
    assert scores["prior"] == "ease"
    assert scores["key_error"] == 0


def test_both_are_offered_on_the_command_line(installed: Path) -> None:
    said = anymole(installed, "run", "--help").stdout
    assert "hold|ease" in said
    assert "tiny|dissolve" in said
    listed = json.loads(anymole(installed, "models", "list", "--json").stdout)
    assert {"name": "dissolve", "state": "ready"}.items() <= listed["models"][-1].items()


def test_without_the_package_its_prior_is_unknown() -> None:
    with pytest.raises(ConfigError, match=r"prior is 'ease'; choose auto, .* or hold"):
        RunConfig(stage=str(KEYS), prior="ease")  # type: ignore[arg-type]


def test_its_prior_reaches_the_keys_at_rest(studio: Path) -> None:
    shot = read_shot(str(KEYS), meshes=False)
    plan = make_plan(shot.characters[0], shot.motions[0])
    filled = fill_motion(shot.characters[0], shot.motions[0], prior="ease", contacts=False)
    times = filled.motion.times
    assert np.isin(plan.fill_times, times).all()
    steps = np.abs(np.diff(filled.motion.rotations[:, 3:], axis=0)).sum((1, 2))
    between = (times[:-1] >= 12) & (times[1:] <= 24)
    first, *_, last = steps[between]
    assert max(first, last) < 0.5 * steps[between].max()


@pytest.mark.slow
def test_its_video_model_makes_the_video_of_a_run(
    studio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_pipeline, "EstimatorSettings", Few)
    monkeypatch.setattr(video_pipeline, "MimicSettings", partial(MimicSettings, heights=(24,), steps=2))
    config = RunConfig(
        stage=str(FOX),
        context=((0.0, 40.0),),
        keys=(50.0, 60.0),
        engine="video",
        prior="ease",  # type: ignore[arg-type]
        model="dissolve",  # type: ignore[arg-type]
        camera="front",
        out=str(tmp_path / "run"),
        preview=False,
        report=False,
    )
    result = engine_run.run(config)
    assert (Path(result.run) / "generated-1.mp4").is_file()
    (scores,) = result.scores.values()
    assert scores["prior"] == "video"
    assert scores["key_error"] == 0


def test_a_name_of_ours_stays_ours(declare: partial[None]) -> None:
    declare("raise SystemExit", "greedy", "spline = greedy_code:x")
    own = fields_of(RunConfig)
    prior = next(field for field in own if field.name == "prior")
    assert prior.choices == prior.own_choices
    assert catalogue.prior_of("spline") is catalogue.PRIORS["spline"]
    refused = packages.refused_names(packages.PRIORS, prior.own_choices)
    assert refused == {"spline": "spline of greedy 2.0 is ignored: anymole has one of this name."}


def test_two_packages_cannot_declare_one_name(declare: partial[None]) -> None:
    declare("", "one", "wave = one_code:a")
    declare("", "two", "wave = two_code:b")
    assert catalogue.prior_names() == tuple(catalogue.PRIORS)
    (reason,) = packages.refused_names(packages.PRIORS, ()).values()
    assert reason == "wave is ignored: two 2.0 and one 2.0 both declare it; uninstall one of them."


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import no_such_module", "cannot be loaded .ModuleNotFoundError: No module named 'no_such_module'."),
        ("wave = 1", "is no function"),
        ("def other(): ...", "cannot be loaded .AttributeError"),
    ],
)
def test_a_broken_prior_is_refused_at_plan_time(
    declare: partial[None], module: str, said: str, tmp_path: Path
) -> None:
    declare(module, "broken", "wave = broken_code:wave")
    config = RunConfig(stage=str(KEYS), prior="wave", out=str(tmp_path / "run"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"the prior wave of broken 2.0 {said}.*fix that package"):
        engine_run.plan(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", r"fails \(ZeroDivisionError: division by zero\)"),
        ("pass", "gives no motion of the 75 frames to fill"),
        ("return known", "gives no motion of the 75 frames to fill"),
    ],
)
def test_a_prior_that_fails_ends_in_a_sentence(declare: partial[None], body: str, said: str) -> None:
    declare(f"def wave(character, known, plan):\n    {body}\n", "failing", "wave = failing_code:wave")
    shot = read_shot(str(KEYS), meshes=False)
    with pytest.raises(
        DataError, match=f"Skeleton: the prior wave of failing 2.0 {said}; choose another prior"
    ):
        fill_motion(shot.characters[0], shot.motions[0], prior="wave")


@pytest.mark.parametrize(
    ("module", "said"),
    [("wave = 1", "is no AddedModel"), ("raise OSError('gone')", "cannot be loaded .OSError: gone")],
)
def test_a_broken_video_model_is_named_beside_the_others(
    declare: partial[None], module: str, said: str
) -> None:
    declare(module, "broken", "wave = broken_code:wave", group=packages.VIDEO_MODELS)
    cards, wrong = all_cards()
    assert [card.name for card in cards][:2] == ["tiny", "dynamicrafter"]
    assert len(wrong) == 1
    with pytest.raises(ConfigError, match=f"the video model wave of broken 2.0 {said}"):
        backend("wave")


def test_a_video_model_that_lacks_a_part_says_which(declare: partial[None]) -> None:
    """What a package makes is asked for the names of the protocol before a run begins."""
    module = (
        "from dataclasses import replace\nimport anymole\n"
        "from engine.video.catalogue.model_cards import CARDS\n"
        "wave = anymole.AddedModel(replace(CARDS[0], name='wave'), lambda memory, device: 'no model')\n"
    )
    declare(module, "half", "wave = half_code:wave", group=packages.VIDEO_MODELS)
    with pytest.raises(
        ConfigError, match=r"the video model wave lacks name, height, .*adapt.*fix the package"
    ):
        backend("wave")
