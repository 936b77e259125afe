"""Generation with a tiny random network: what holds for any weights."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, DataError, OutOfMemory, RunCancelled
from engine.events import Event, StageProgress
from engine.files.video import Video
from engine.progress import Progress
from engine.video import generate as module
from engine.video.generate import GenerateSettings, generate
from engine.video.network.model import VideoModel
from engine.video.network.sample import Hold, SamplerSettings, guide, sample_window, seeded_noise
from engine.video.network.schedule import ddim_step, trailing_timesteps
from engine.video.windows import Window, plan_windows

KEYS = (2.0, 3.0, 3.5)
CONTEXT = tuple(i / 10 for i in range(20))
FAST = GenerateSettings(SamplerSettings(steps=2), seed=7)


@pytest.fixture
def plan() -> tuple[Window, ...]:
    return plan_windows(list(pairwise(KEYS)), [*CONTEXT, *KEYS], 15)


@pytest.fixture
def true() -> Video:
    times = (*CONTEXT, *KEYS)
    generator = torch.Generator().manual_seed(2)
    return Video(times, torch.rand(len(times), 3, 32, 48, generator=generator))


def stop_after(steps: int) -> Progress:
    """A progress whose user stops after some steps."""
    left = iter(range(steps))
    return Progress(cancel=lambda: next(left, None) is None)


def test_true_frames_come_back_as_they_are(model: VideoModel, plan: tuple[Window, ...], true: Video) -> None:
    video = generate(model, plan, true, "a fox", FAST, progress=Progress())
    held = [t for t in video.times if t in true.times]
    assert {2.0, 3.0, 3.5} <= set(held)
    for time in held:
        assert torch.equal(video.frames[video.times.index(time)], true.frames[true.times.index(time)])
    assert max(b - a for a, b in pairwise(t for t in video.times if t >= 2)) <= 1 / 15 + 1e-9


def test_a_seed_gives_one_video_and_another_seed_another(
    model: VideoModel, plan: tuple[Window, ...], true: Video
) -> None:
    first, again, other = (
        generate(model, plan[:1], true, "", replace(FAST, seed=seed), progress=Progress())
        for seed in (7, 7, 8)
    )
    assert torch.equal(first.frames, again.frames)
    assert not torch.allclose(first.frames, other.frames)


def test_windows_in_a_batch_are_those_sampled_alone(
    model: VideoModel, plan: tuple[Window, ...], true: Video
) -> None:
    alone = generate(model, plan, true, "", FAST, progress=Progress())
    together = generate(model, plan, true, "", replace(FAST, batch=4), progress=Progress())
    assert alone.times == together.times
    torch.testing.assert_close(together.frames, alone.frames, atol=1e-3, rtol=0)


def test_a_stopped_run_goes_on_to_the_same_video(
    model: VideoModel, plan: tuple[Window, ...], true: Video, tmp_path: Path
) -> None:
    whole = generate(model, plan, true, "", FAST, progress=Progress())
    with pytest.raises(RunCancelled):
        generate(model, plan, true, "", FAST, progress=stop_after(5), checkpoint_dir=tmp_path)
    seen: list[Event] = []
    resumed = generate(
        model, plan, true, "", FAST, progress=Progress(on_event=seen.append), checkpoint_dir=tmp_path
    )
    assert torch.equal(resumed.frames, whole.frames)
    first = next(e for e in seen if isinstance(e, StageProgress))
    assert first.done == 5
    assert first.total == len(plan) * FAST.sampler.steps


def test_finished_windows_of_other_work_are_not_used(
    model: VideoModel, plan: tuple[Window, ...], true: Video, tmp_path: Path
) -> None:
    generate(model, plan[:1], true, "a fox", FAST, progress=Progress(), checkpoint_dir=tmp_path)
    other = generate(model, plan[:1], true, "a cat", FAST, progress=Progress(), checkpoint_dir=tmp_path)
    fresh = generate(model, plan[:1], true, "a cat", FAST, progress=Progress())
    assert torch.equal(other.frames, fresh.frames)


def test_missing_true_frames_and_wrong_sizes_are_refused(
    model: VideoModel, plan: tuple[Window, ...], true: Video
) -> None:
    with pytest.raises(DataError, match="first at 2 s"):
        generate(model, plan, Video(CONTEXT, true.frames[:20]), "", FAST, progress=Progress())
    with pytest.raises(ConfigError, match="multiples of 16"):
        generate(model, plan, Video(true.times, true.frames[..., :40]), "", FAST, progress=Progress())


def test_exhausted_memory_says_what_to_make_smaller(
    model: VideoModel, plan: tuple[Window, ...], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "encode_text", exhausted)
    with pytest.raises(OutOfMemory, match="memory low"):
        generate(model, plan, true, "", FAST, progress=Progress())


def constant(velocity: float) -> Callable[[Tensor, int], tuple[Tensor, Tensor]]:
    return lambda x, t: (velocity * x, velocity * x)


@pytest.mark.parametrize("hold", ["noised", "clean"])
def test_held_latents_come_back_exactly(hold: str) -> None:
    known = torch.randn(1, 4, 16, 2, 2, generator=torch.Generator().manual_seed(1))
    below = torch.zeros(1, 16, dtype=torch.bool)
    below[:, [3, 5]] = True
    settings = SamplerSettings(steps=5, guidance_rescale=0, hold=hold)  # type: ignore[arg-type]
    draw = seeded_noise(tuple(known.shape), 1, device="cpu")
    out = sample_window(constant(0.1), Hold(known, below, below), settings, draw)
    assert torch.equal(out[:, :, [3, 5]], known[:, :, [3, 5]])
    assert not torch.isclose(out[:, :, 4], known[:, :, 4]).any()


@pytest.mark.parametrize("steps", [1, 10, 25, 30, 50, 999])
def test_steps_stay_finite_from_pure_noise_to_the_end(steps: int) -> None:
    x = v = noise = torch.ones(3)
    times = trailing_timesteps(steps)
    for t, t_next in zip(times, [*times[1:], None], strict=True):
        x = ddim_step(x, v, noise, t, t_next)
        assert torch.isfinite(x).all()


def test_step_without_noise_is_that_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        1000, 0.00085, 0.012, "scaled_linear", prediction_type="v_prediction", rescale_betas_zero_snr=True,
        timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=False,
    )  # fmt: skip
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == trailing_timesteps(50)
    x, v = (torch.randn(4, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    for t, t_next in ((979, 959), (599, 579)):  # in this range the dynamic rescale is constant
        expected = scheduler.step(v, t, x, eta=0.0).prev_sample
        torch.testing.assert_close(ddim_step(x, v, x, t, t_next, eta=0.0), expected, atol=1e-5, rtol=1e-5)


def test_guidance_of_one_changes_nothing() -> None:
    v, empty = (torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    torch.testing.assert_close(guide(v, empty, 1.0, 0.7), v)


def test_rescaled_guidance_has_the_spread_of_the_condition() -> None:
    v, empty = (torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    guided = guide(v, empty, 7.5, 1.0)
    torch.testing.assert_close(guided.std((1, 2)), v.std((1, 2)))
