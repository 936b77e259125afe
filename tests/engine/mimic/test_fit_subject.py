import numpy as np
import pytest

from engine.errors import DataError
from engine.mimic.fit_subject import FitSubject
from engine.mimic.settings import MimicSettings
from engine.stages.mimic import mimic
from tests.engine.conftest import make_motion
from tests.engine.mimic.scenes import Scene, arm_scene, make_scene

JOINTS_ALONE = MimicSettings(image_weight=0)


@pytest.fixture(scope="module")
def pair() -> Scene:
    """An arm to fit beside one that is known."""
    arm = arm_scene()
    other = make_motion(arm.characters[0], range(37), seed=2)
    return make_scene(
        arm.characters[0], arm.truths[0], arm.plans[0], off=0.1, others=((arm.characters[0], other),)
    )


def test_only_a_subject_with_a_plan_has_times_to_fill(pair: Scene) -> None:
    planned, known = pair.subjects()
    np.testing.assert_array_equal(planned.fill_times, pair.plans[0].fill_times)
    assert len(known.fill_times) == 0


def test_evidence_stays_with_its_subject_in_any_order(pair: Scene) -> None:
    subjects = pair.subjects(pair.evidence())
    one, two = (
        mimic(order, pair.video, pair.view, pair.surface, settings=JOINTS_ALONE)
        for order in (subjects, subjects[::-1])
    )
    np.testing.assert_allclose(one[0].motion.rotations, two[1].motion.rotations, atol=1e-9)
    assert len(two[0].motion.times) == 0


def test_evidence_of_another_video_is_refused(pair: Scene) -> None:
    planned, known = pair.subjects()
    short = pair.evidence()
    short = type(short)(
        short.xy[:3], short.depth[:3], short.xy_sigma[:3], short.depth_sigma[:3], seen=short.seen
    )
    subjects = [FitSubject(planned.character, planned.plan, planned.start, short), known]
    with pytest.raises(DataError, match="of 3 frames"):
        mimic(subjects, pair.video, pair.view, pair.surface, settings=JOINTS_ALONE)
