"""The shipped weights of the tiny model: whole, deterministic, exact at true frames, adaptable."""

import shutil
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import DataError, ResourceMissing
from engine.files.hashing import content_hash
from engine.files.tensors import load_meta, load_tensors
from engine.files.video import Video
from engine.progress import Progress
from engine.video.adaptation.adapt import adapt
from engine.video.adaptation.trainable import trained_parameters
from engine.video.generate import GenerateSettings, generate
from engine.video.network.model import VideoModel, encode_text
from engine.video.network.shapes import TINY_TRAINED, model_shape
from engine.video.tiny import ADAPT, PATH, SAMPLER, SHA256, load_tiny, shipped_tensors
from engine.video.windows import plan_windows

LARGEST_BYTES = 20_000_000
TIMES = (*(i / 15 for i in range(31)), 3.0)


@pytest.fixture
def tiny() -> VideoModel:
    return load_tiny()


def ball(times: tuple[float, ...], view: float = 0.0) -> Tensor:
    """A coloured ball that swings on white: frame, 3, 32, 48."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    frames = []
    for t in times:
        angle = torch.tensor(3.0 * t + view)
        distance = ((x - 24 - 12 * angle.sin()) ** 2 + (y - 16 - 5 * angle.cos()) ** 2).sqrt()
        cover = torch.sigmoid(7 - distance)
        colour = torch.stack([0.4 + 0 * x, y / 32, x / 48])
        frames.append(cover * colour + 1 - cover)
    return torch.stack(frames)


def fill_second(model: VideoModel, seed: int = 0) -> Video:
    """One gap of a second after two of context."""
    true = Video(TIMES, ball(TIMES))
    plan = plan_windows([(2.0, 3.0)], TIMES, 15)
    return generate(model, plan, true, "", GenerateSettings(SAMPLER, seed), progress=Progress())


def test_weights_are_the_described_file() -> None:
    assert PATH.stat().st_size < LARGEST_BYTES
    assert content_hash(PATH) == SHA256
    assert model_shape(load_meta(PATH)["shape"]) == TINY_TRAINED
    assert all(torch.isfinite(value).all() for value in load_tensors(PATH).values())


def test_weights_are_all_that_the_networks_have(tiny: VideoModel) -> None:
    tensors = load_tensors(PATH)
    own = shipped_tensors(tiny)
    assert set(tensors) == set(own)
    assert all(torch.equal(tensors[name].float(), own[name]) for name in own)
    assert tiny.source == {"name": "tiny", "sha256": SHA256}


def test_missing_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResourceMissing, match="is not there"):
        load_tiny(tmp_path / "tiny.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    shutil.copy(PATH, damaged)
    with damaged.open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"\0\1\2\3")
    with pytest.raises(DataError, match="damaged or another file"):
        load_tiny(damaged)
    damaged.write_bytes(PATH.read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged or another file"):
        load_tiny(damaged)


def test_a_second_is_filled_the_same_for_a_seed_and_true_frames_are_kept(tiny: VideoModel) -> None:
    started = time.process_time()
    first = fill_second(tiny, seed=1)
    spent = time.process_time() - started
    sys.stdout.write(f"a gap of 1 s at 32 x 48 pixels took {spent:.1f} s of the processor\n")
    again, other = fill_second(tiny, seed=1), fill_second(tiny, seed=2)
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, other.frames)
    true = ball(TIMES)
    for time_s in (t for t in first.times if t in TIMES):
        assert torch.equal(first.frames[first.times.index(time_s)], true[TIMES.index(time_s)])
    inside = [t for t in first.times if t >= 2]
    assert max(b - a for a, b in pairwise(inside)) <= 1 / 15 + 1e-9


def test_generated_frames_show_the_ball_on_white(tiny: VideoModel) -> None:
    video = fill_second(tiny)
    made = video.frames[[video.times.index(t) for t in video.times if 2 < t < 3]]
    corner = made[:, :, :4, :4]
    assert corner.mean() > 0.95
    assert (made.amin((1, 2, 3)) < 0.75).all()


def test_prompts_say_nothing_to_it(tiny: VideoModel) -> None:
    assert not encode_text(tiny, ["a fox jumps", ""]).any()


def test_adaptation_lowers_the_held_out_loss_and_changes_what_it_may(tiny: VideoModel) -> None:
    times = tuple(i / 30 for i in range(20))
    views = ball(times)[None, ..., 8:40]
    before = {name: p.clone() for name, p in shipped_tensors(tiny).items()}
    settings = replace(ADAPT, steps=4, batch=2, strides=(1,), held_out=0.2, evaluate_every=4)
    made = adapt(tiny, views, 30.0, "", settings, progress=Progress())
    losses = [loss for _, loss in made.provenance["held_out"]]
    assert losses[-1] < losses[0]
    allowed = {name for name, _ in trained_parameters(tiny)}
    changed = {name for name, p in shipped_tensors(tiny).items() if not torch.equal(p, before[name])}
    assert changed <= allowed
    assert len(changed) > 0.9 * len(allowed)
