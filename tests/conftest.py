"""Stages that tests share: small ones built in code under names, and files under ``tests/data``.

With the environment variable ``ANYMOLE_ASSETS``, or a folder ``shared/assets`` beside the repository, tests that
take ``stage_file`` run over all USD files found there as well.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel

from tests.checking import jaxtyped

jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]  # before anything of ours is imported

settings.register_profile("anymole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anymole")  # how busy the machine is decides no test
DATA = Path(__file__).parent / "data"
ASSETS = Path(os.environ.get("ANYMOLE_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
USD_SUFFIXES = {".usd", ".usda", ".usdc", ".usdz"}

JOINTS = ("Shoulder", "Shoulder/Elbow")


def usd_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in USD_SUFFIXES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "stage_file" in metafunc.fixturenames:
        files = {
            str(p.relative_to(root)): p
            for root in (ASSETS, DATA)
            for p in usd_files(root)
            if DATA / "cases"
            not in p.parents  # faults on purpose: their own tests know what is right for each
        }
        metafunc.parametrize("stage_file", list(files.values()), ids=list(files))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, files with slow ones go first, so that no process is left alone with one."""
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What was imported stays: collections of garbage need not go through it again and again."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _signals_of_a_terminal() -> Iterator[None]:
    """Processes that tests start hear SIGINT and SIGHUP, though this one was started to ignore them, as in a shell's
    background or by ``nohup``: a handler, even one that does nothing, is not inherited."""
    numbers = (signal.SIGINT, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGINT,)
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True, scope="session")
def _own_list_of_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs of tests are not entered into the list of the user who runs them."""
    os.environ["ANYMOLE_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True, scope="session")
def _no_power_cuts() -> Iterator[None]:
    """No test pulls the plug: files need not have reached the disk before a test goes on, which takes milliseconds for
    each of the twenty that a run writes. Processes that tests start wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # that looks at the file as well
        yield


@pytest.fixture(autouse=True, scope="module")
def _own_environment() -> Iterator[None]:
    """What the tests of a file, and what they call, set for processes to come ends with them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def data() -> Path:
    """Folder of the files that come with the tests."""
    return DATA


@pytest.fixture
def two_bone_arm(tmp_path: Path) -> Path:
    """An arm of two joints along x with a skinned strip, animated at 1, 5 and 9; Y up, metres."""
    return build_arm(tmp_path / "two_bone_arm.usda")


@pytest.fixture
def shuffled_joints(tmp_path: Path) -> Path:
    """The arm with the joints of the animation in the opposite order."""
    return build_arm(tmp_path / "shuffled_joints.usda", animated=JOINTS[::-1])


@pytest.fixture
def z_up_centimetres(tmp_path: Path) -> Path:
    """The arm in a Z-up stage of centimetres, turned and moved by an animated transform above the skeleton."""
    path = build_arm(tmp_path / "z_up_centimetres.usda")
    stage = Usd.Stage.Open(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    root = UsdGeom.Xformable(stage.GetPrimAtPath("/Arm"))
    root.AddRotateXOp().Set(90.0)
    move = root.AddTranslateOp()
    move.Set(Gf.Vec3d(0, 0, 0), 1)
    move.Set(Gf.Vec3d(8, 0, 4), 9)
    stage.Save()
    return path


@pytest.fixture
def arm_stage(two_bone_arm: Path) -> Usd.Stage:
    """The arm as an open stage that a test may spoil; nothing is saved."""
    return Usd.Stage.Open(str(two_bone_arm))


def build_arm(path: Path, *, animated: Sequence[str] = JOINTS) -> Path:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(24)
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(9)
    root = UsdSkel.Root.Define(stage, "/Arm")
    stage.SetDefaultPrim(root.GetPrim())
    skeleton = UsdSkel.Skeleton.Define(stage, "/Arm/Skel")
    shoulder, elbow = Gf.Matrix4d(1), Gf.Matrix4d().SetTranslate((2, 0, 0))
    skeleton.CreateJointsAttr(JOINTS)
    skeleton.CreateBindTransformsAttr([shoulder, elbow])
    skeleton.CreateRestTransformsAttr([shoulder, elbow])
    _animate(stage, animated)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([Sdf.Path("/Arm/Skel/Wave")])
    _add_strip(stage)
    stage.Save()
    return path


def _animate(stage: Usd.Stage, joints: Sequence[str]) -> None:
    animation = UsdSkel.Animation.Define(stage, "/Arm/Skel/Wave")
    animation.CreateJointsAttr(joints)
    animation.CreateScalesAttr([(1, 1, 1)] * len(joints))
    offsets = {"Shoulder": (0, 0, 0), "Shoulder/Elbow": (2, 0, 0)}
    axes = {"Shoulder": Gf.Vec3d(0, 0, 1), "Shoulder/Elbow": Gf.Vec3d(1, 2, 3).GetNormalized()}
    speeds = {"Shoulder": 1.0, "Shoulder/Elbow": 7.0}
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for time in (1, 5, 9):
        translations.Set([offsets[j] for j in joints], time)
        turns = [Gf.Rotation(axes[j], 5 * time * speeds[j]).GetQuat() for j in joints]
        rotations.Set([Gf.Quatf(q) for q in turns], time)


def _add_strip(stage: Usd.Stage) -> None:
    """Four quads from the shoulder past the elbow, in a mesh joint order of their own."""
    mesh = UsdGeom.Mesh.Define(stage, "/Arm/Skin")
    mesh.CreatePointsAttr([(x, y, 0.1 * x) for x in range(5) for y in (-1, 1)])
    mesh.CreateFaceVertexCountsAttr([4] * 4)
    mesh.CreateFaceVertexIndicesAttr([i for k in range(0, 8, 2) for i in (k, k + 2, k + 3, k + 1)])
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([Sdf.Path("/Arm/Skel")])
    binding.CreateJointsAttr(JOINTS[::-1])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d().SetTranslate((0, 0.5, 0)))
    weights = [w for x in range(5) for _ in range(2) for w in (x / 4, 1 - x / 4)]
    binding.CreateJointIndicesPrimvar(False, 2).Set([0, 1] * 10)
    binding.CreateJointWeightsPrimvar(False, 2).Set(weights)


@pytest.fixture
def make_arm() -> Callable[..., Path]:
    """Build an arm at a path, with a choice of joints in its animation."""
    return build_arm


@pytest.fixture
def arm_pair(tmp_path: Path) -> Path:
    """Two arms referenced side by side, one of them a second later."""
    build_arm(tmp_path / "arm.usda")
    stage = Usd.Stage.CreateNew(str(tmp_path / "arm_pair.usda"))
    stage.SetTimeCodesPerSecond(24)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.Xform.Define(stage, "/World")
    for name, offset in (("Left", 0.0), ("Right", 24.0)):
        arm = stage.DefinePrim(f"/World/{name}")
        arm.GetReferences().AddReference("./arm.usda", layerOffset=Sdf.LayerOffset(offset))
    stage.SetDefaultPrim(stage.GetPrimAtPath("/World"))
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(33)
    stage.Save()
    return tmp_path / "arm_pair.usda"
