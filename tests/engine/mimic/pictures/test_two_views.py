"""Two videos of one motion, fitted together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import DataError
from engine.files.video import Video
from engine.mimic.parameters import SAME_TIME_S, moments, spacing
from engine.mimic.pictures.two_views import Seen, joined
from engine.priors import offsets
from engine.rendering.actors import Actors
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import orbit_views, render_view
from tests.engine.mimic.scenes import Scene, arm_scene


@pytest.fixture(scope="module")
def front() -> Scene:
    return arm_scene(off=0.3)


@pytest.fixture(scope="module")
def side(front: Scene) -> Scene:
    """The same motion, seen from its left."""
    truths = front.truths
    framed = Actors(front.characters, [offsets.sample(m, m.times) for m in truths])
    (view,) = orbit_views(framed, {"left": 90.0}, height=96, width=160)
    times = np.array(front.video.times) * truths[0].time_codes_per_second
    actors = Actors(front.characters, [offsets.sample(m, times) for m in truths])
    pictures = np.stack(list(render_view(TorchRenderer(front.surface, "canonical"), actors, view)))
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return replace(front, view=view, video=Video(front.video.times, frames))


def seen(scene: Scene) -> Seen:
    return Seen(scene.video, scene.view, [scene.evidence(sigma_px=1.0, depth_sigma=100.0)])


def test_frames_of_both_keep_their_camera_their_background_and_what_was_seen_in_them(
    front: Scene, side: Scene
) -> None:
    whole = joined(seen(front), seen(side))
    count = len(front.video.times)
    assert len(whole.video.times) == len(whole.view.cameras) == 2 * count
    assert np.all(np.diff(whole.video.times) > 0)
    for first, scene in ((0, front), (1, side)):
        own = slice(first, None, 2)
        assert torch.equal(whole.video.frames[own], scene.video.frames)
        assert np.array_equal(
            whole.view.cameras.T_camera_world[own], scene.view.cameras.T_camera_world.repeat(count, axis=0)
        )
        (told,), (wanted,) = whole.evidence, seen(scene).evidence
        assert told is not None
        assert wanted is not None
        assert np.array_equal(told.xy[own], wanted.xy)
        np.testing.assert_allclose(whole.video.times[own], scene.video.times, atol=SAME_TIME_S)
        if scene.view.backdrop is not None:
            assert whole.view.backdrop is not None
            assert torch.equal(whole.view.backdrop.rgb[own][0], scene.view.backdrop.rgb[0])


def test_two_frames_of_one_moment_are_one_moment(front: Scene, side: Scene) -> None:
    whole = joined(seen(front), seen(side))
    times, count = np.array(whole.video.times), len(front.video.times)
    assert moments(times, 1.0).tolist() == [i // 2 for i in range(2 * count)]
    assert spacing(times, 1.0) == pytest.approx(np.diff(front.video.times)[0], abs=SAME_TIME_S)
    assert moments(np.zeros(0), 1.0).tolist() == []
    assert spacing(np.zeros(1), 1.0) == 0


def test_smaller_second_video_is_enlarged_with_its_camera_and_another_aspect_is_refused(
    front: Scene, side: Scene
) -> None:
    cameras = side.view.cameras
    half = replace(cameras, focal=cameras.focal / 2, centre=cameras.centre / 2, height=48, width=80)
    small = Seen(
        replace(side.video, frames=side.video.frames[:, :, ::2, ::2]),
        replace(side.view, cameras=half, backdrop=None),
        [None],
    )
    whole = joined(seen(front), small)
    np.testing.assert_allclose(whole.view.cameras.focal[1], cameras.focal[0])
    assert whole.video.frames.shape[2:] == front.video.frames.shape[2:]
    assert whole.evidence == [None]
    wide = replace(small, view=replace(small.view, cameras=replace(half, width=120)))
    with pytest.raises(DataError, match="one aspect ratio"):
        joined(seen(front), wide)


def test_second_side_tells_what_lies_along_the_first_ones_view(front: Scene, side: Scene) -> None:
    alone = front.run(evidence=seen(front).evidence[0])
    whole = joined(seen(front), seen(side))
    both = replace(front, video=whole.video, view=whole.view).run(evidence=whole.evidence[0])
    assert alone.trusted
    assert both.trusted
    assert front.errors(both.motion)[1] < 0.5 * front.errors(alone.motion)[1]
    assert front.errors(both.motion)[0] < 1.2 * front.errors(alone.motion)[0]
