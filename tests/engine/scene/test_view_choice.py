"""The azimuth of the camera is the one that best constrains the motion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.geometry import rotations
from engine.mimic.fit_subject import FitSubject
from engine.planning.plan import make_plan
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.threads import limited_threads
from engine.rendering.views import orbit_views
from engine.scene.view_choice import AZIMUTHS, choose_view
from engine.settings.choices import view_azimuth
from tests.engine.mimic.scenes import bent
from usd_io.model import Shot
from usd_io.read.stage import read_shot


@pytest.fixture(scope="module")
def fox() -> Shot:
    return read_shot(str(Path(__file__).parents[2] / "data" / "fox" / "fox.usdc"))


def expected_errors(
    fox: Shot, turned_deg: float, azimuths: tuple[float, ...]
) -> tuple[float, dict[float, float]]:
    """What each view of the fox promises, the fox turned about the up axis."""
    character, truth = fox.characters[0], fox.motions[0]
    up = np.zeros(3)
    up["XYZ".index(character.up_axis)] = 1
    turn = np.eye(4)
    turn[:3, :3] = rotations.to_matrix(rotations.about_axis(up, np.deg2rad([turned_deg]))[0])
    truth = replace(truth, T_world_skel=turn @ truth.T_world_skel)
    plan = make_plan(character, truth, contexts=[(10, 58)], keys=[58, 70], fill_at_samples=True)
    start = bent(truth.at((truth.times >= 10) & (truth.times <= 70)), plan, 0.0)
    around = {f"{a:g}": a for a in azimuths}
    views = orbit_views(Actors([character], [start]), around, height=96, width=160, ground=False)
    surface = build_surface([character], lambda path: b"", "canonical")
    with limited_threads(1):
        subjects = [FitSubject(character, plan, start)]
        return choose_view(subjects, surface, "canonical", dict(zip(azimuths, views, strict=True)))


def test_the_fox_is_looked_at_from_where_its_limbs_do_not_hide_each_other(fox: Shot) -> None:
    best, expected = expected_errors(fox, 0, AZIMUTHS)
    assert best != 0
    assert expected[best] == min(expected.values()) < 0.8 * expected[0]


def test_a_fox_that_is_turned_is_looked_at_from_as_far_around(fox: Shot) -> None:
    _, straight = expected_errors(fox, 0, (0.0, 45.0))
    _, turned = expected_errors(fox, 90, (90.0, 135.0, 0.0))
    assert [turned[90], turned[135]] == pytest.approx([straight[0], straight[45]], rel=0.02)


def test_the_front_is_kept_where_no_view_tells_much_more(fox: Shot) -> None:
    best, expected = expected_errors(fox, 0, (0.0, 3.0))
    assert best == 0
    assert expected[3] == pytest.approx(expected[0], rel=0.1)


def test_a_view_is_named_by_name_or_azimuth_all_else_is_a_prim_or_a_file() -> None:
    assert [view_azimuth(text) for text in ("left", "-45")] == [90, -45]
    assert [view_azimuth(text) for text in ("/World/Cam", "render.json", "nan", "inf", "")] == [None] * 5
