"""The background of a video."""

import torch

from engine.rendering.torch_renderer.renderer import Backdrop
from engine.scene.background import seen_backdrop, spread


def moving_square() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A red square that crosses a gradient, where it is, and the gradient."""
    background = torch.linspace(0.2, 0.9, 50).expand(3, 20, 50).clone()
    frames, covered = background.expand(5, -1, -1, -1).clone(), torch.zeros(5, 20, 50, dtype=torch.bool)
    for i in range(5):
        covered[i, 5:12, 8 * i : 8 * i + 8] = True
        frames[i][:, covered[i]] = torch.tensor([1.0, 0, 0])[:, None]
    return frames, covered, background.permute(1, 2, 0)


def test_what_a_character_crosses_is_seen_in_other_frames() -> None:
    frames, covered, background = moving_square()
    made = seen_backdrop(frames, covered, None)
    assert torch.equal(made.rgb[0], background)
    assert torch.isinf(made.depth).all()


def test_where_it_never_leaves_what_is_known_is_taken() -> None:
    frames, covered, background = moving_square()
    covered[:, 5:12, :8] = True
    known = Backdrop(0.9 * background[None], torch.ones(1, 20, 50))
    made = seen_backdrop(frames, covered, known)
    assert torch.equal(made.rgb[0, 5:12, :8], 0.9 * background[5:12, :8])
    assert torch.equal(made.rgb[0, :, 20:], background[:, 20:])
    assert torch.equal(made.depth, known.depth)


def test_where_it_never_leaves_a_background_that_is_another_what_is_around_is_taken() -> None:
    frames, covered, _ = moving_square()
    frames[:] = 0.2
    covered[:, 5:12, :8] = True
    known = Backdrop(torch.ones(1, 20, 50, 3), torch.ones(1, 20, 50))
    assert torch.allclose(seen_backdrop(frames, covered, known).rgb, torch.tensor(0.2))


def test_a_guess_that_is_a_little_off_leaves_no_ghost() -> None:
    frames, covered, background = moving_square()
    off = torch.roll(covered, 1, dims=2)
    assert torch.equal(seen_backdrop(frames, off, None).rgb[0], background)


def test_holes_take_the_colour_around_them() -> None:
    picture = torch.full((9, 12, 3), 0.25)
    picture[2:7, 3:9] = torch.nan
    assert torch.allclose(spread(picture), torch.full((9, 12, 3), 0.25))
    assert torch.equal(spread(torch.full((2, 2, 3), torch.nan)), torch.ones(2, 2, 3))
