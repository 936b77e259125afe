"""What is drawn beside a pose: ghosts of others, ways of joints; and pictures that follow their files."""

from pathlib import Path

import numpy as np
import pytest

from engine.workers.thumbnails import TRAILS, Stills, answer

FOX = Path(__file__).parents[2] / "data" / "fox" / "fox_survey.usda"
BLACK = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def fox() -> Stills:
    return Stills(str(FOX))


def test_ghosts_lie_faintly_behind_the_pose(fox: Stills) -> None:
    plain, ghost = (fox.draw(time, "side", 60, 90, BLACK).astype(int) for time in (0.0, 40.0))
    both = fox.draw(0.0, "side", 60, 90, BLACK, ghosts=(40.0,)).astype(int)
    pose, other = plain.sum(-1) > 0, ghost.sum(-1) > 0
    solid = pose & (np.abs(both - plain).max(-1) <= 1)
    assert solid.sum() > 0.8 * pose.sum()  # but for the soft outline
    behind = other & ~pose
    assert behind.any()
    assert np.abs(both[behind] - 0.25 * ghost[behind]).max() <= 2
    assert not both[~pose & ~other].any()


def test_pictures_without_ghosts_are_as_they_were(fox: Stills) -> None:
    before = fox.draw(10.0, "front", 40, 40, BLACK)
    fox.draw(10.0, "front", 40, 40, BLACK, ghosts=(30.0,))
    assert np.array_equal(fox.draw(10.0, "front", 40, 40, BLACK), before)


def test_the_way_of_a_joint_is_drawn_and_what_is_to_come_is_fainter(fox: Stills) -> None:
    times = tuple(float(t) for t in range(0, 80, 4))
    plain = fox.draw(12.0, "three-quarter", 120, 180, BLACK).astype(int)
    with_trail = fox.draw(
        12.0, "three-quarter", 120, 180, BLACK, trails=("b_Tail03_014",), trail_times=times
    ).astype(int)
    drawn = with_trail[(with_trail != plain).any(-1)]
    colors = {tuple(pixel) for pixel in drawn.tolist()}
    assert len(colors) == 2
    strong, faint = sorted(colors, key=sum, reverse=True)
    assert strong in TRAILS
    assert faint == tuple(c // 2 for c in strong)


def test_no_time_is_one_amid_the_motion(fox: Stills) -> None:
    request = {"stage": str(FOX), "view": "front", "height": 20, "width": 30, "background": BLACK}
    told, pixels = answer({**request, "time": None}, lambda: False)
    assert told == {"height": 20, "width": 30}
    assert 0 < fox.middle < 82
    assert pixels == answer({**request, "time": fox.middle}, lambda: False)[1]
