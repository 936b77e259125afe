"""Motion in place, and sparse samples in a flat file, as UsdSkel reads them back."""

from pathlib import Path

import numpy as np

from engine import run as engine_run
from engine.config import RunConfig
from tests.engine.priors.shaping.test_loop import PERIOD, local, write

KEYED = [*range(21), 34, PERIOD]


def result_of(folder: Path, **settings: object) -> str:
    source = folder / "walk.usda"
    if not source.exists():
        write(source, keyed=KEYED)
    out = folder / f"run{len(list(folder.iterdir()))}"
    config = RunConfig(
        stage=str(source),
        out=str(out),
        prior="spline",
        preview=False,
        report=False,
        **settings,  # type: ignore[arg-type]
    )
    return engine_run.run(config).result


def test_in_place_the_root_goes_straight_as_usdskel_sees_it(tmp_path: Path) -> None:
    result = result_of(tmp_path, in_place=True)
    frames = range(34, PERIOD + 1)
    roots = np.array([local(result, frame)[0, 3, :3] for frame in frames])
    straight = np.linspace(roots[0], roots[-1], len(roots))
    np.testing.assert_allclose(roots[:, [0, 2]], straight[:, [0, 2]], atol=1e-4)


def test_sparse_samples_of_a_flat_file_stay_close_as_usdskel_sees_them(tmp_path: Path) -> None:
    full = result_of(tmp_path)
    sparse = result_of(tmp_path, author="flat", samples="sparse:1")
    poses = [np.array([local(path, frame) for frame in range(PERIOD + 1)]) for path in (full, sparse)]
    keys = [*range(21), 34, PERIOD]
    np.testing.assert_allclose(poses[0][keys], poses[1][keys], atol=1e-6)
    # a hundredth of the height at every joint is more than its own turn makes at the end of a bone of one unit
    assert 0 < np.abs(poses[0] - poses[1]).max() < 0.1
