"""A sample of the stages built at random (``scripts/usd_campaign.py``), judged by pxr alone."""

from pathlib import Path

import pytest

from scripts import usd_campaign


@pytest.mark.parametrize("seed", range(8))
def test_what_a_run_keeps_is_the_source_s(seed: int, tmp_path: Path) -> None:
    state, why = usd_campaign.try_one(tmp_path, seed)
    assert state != "failed", why


def test_the_judge_sees_a_changed_sample(tmp_path: Path) -> None:
    """Seed 3 is filled; one bit of a kept sample of its result is changed."""
    from pxr import Sdf

    seed = next(s for s in range(20) if usd_campaign.try_one(_empty(tmp_path / f"{s}"), s)[0] == "filled")
    folder = tmp_path / f"{seed}"
    result = next(path for path in (folder / "out").glob("*_inbetween.usda"))
    layer = Sdf.Layer.FindOrOpen(str(next((folder / "out").glob("*_anim.usdc"))))
    paths = []
    layer.Traverse("/", lambda path: paths.append(path) if path.name == "translations" else None)
    time = layer.ListTimeSamplesForPath(paths[0])[0]
    values = list(layer.QueryTimeSample(paths[0], time))
    layer.SetTimeSample(paths[0], time, [value * 1.0000002 + type(value)(1e-6) for value in values])
    layer.Save()
    source = next(
        path for name in ("shot.usda", "hero.usda", "hero.usdc") if (path := folder / name).exists()
    )
    assert usd_campaign.judged(source, str(result))


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
