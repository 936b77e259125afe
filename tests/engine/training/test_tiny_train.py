"""The recipe of the tiny model: bodies, pictures, windows, and a run that goes on as if it had not been stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.files.tensors import load_tensors
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.long_training import STATE
from engine.training.tiny_video.bodies import embody
from engine.training.tiny_video.data import SIZE, Pictures, draw_actor, load_pictures, save_pictures
from engine.training.tiny_video.samples import draw_batch
from engine.training.tiny_video.train import TinySettings, TinyTraining, known_latents, latents_of

SMALL = TinySettings(batch=1, crop=16, steps=10, warm_up=2)


@pytest.fixture
def pictures() -> Pictures:
    """Two clips in which a bar wanders."""
    frames = np.full((120, SIZE, SIZE, 3), 255, np.uint8)
    for i, frame in enumerate(frames):
        frame[20:44, i % 40 + 5 : i % 40 + 20] = (200, 90, i)
    return Pictures(frames, (0, 60, 120))


def test_bodies_are_drawn_whole_on_white() -> None:
    rng = np.random.default_rng(1)
    for clip in procedural_clips(3, 2):
        actor = embody(clip, rng)
        assert actor is not None
        character, motion = actor
        mesh = character.meshes[0]
        assert mesh.face_vertices.max() < len(mesh.points)
        assert set(mesh.joint_indices.ravel()) <= set(range(len(character.joints)))
        frames = draw_actor(character, motion.at(slice(0, 60, 20)), rng)
        assert frames.shape == (3, SIZE, SIZE, 3)
        edges = np.concatenate([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], 1)
        assert (edges > 250).all()
        assert ((frames < 200).any(-1).mean((1, 2)) > 0.01).all()


def test_pictures_come_back(pictures: Pictures, tmp_path: Path) -> None:
    save_pictures(tmp_path / "p.npz", pictures)
    again = load_pictures(tmp_path / "p.npz")
    assert again.starts == pictures.starts
    assert np.array_equal(again.frames, pictures.frames)
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_windows_know_their_ends_and_guides_alone_are_faded(pictures: Pictures) -> None:
    batch = draw_batch(pictures, 40, 32, np.random.default_rng(3))
    assert batch.known[:, [0, 15]].all()
    assert not batch.known.all(1).any()
    assert not batch.soft[:, [0, 15]].any()
    assert ((batch.fps >= 5) & (batch.fps <= 30)).all()
    faded = batch.soft.any(1)
    assert (batch.known[faded] == (torch.arange(16) % 3 == 0)).all()
    model = TinyTraining(SMALL).model
    latents = latents_of(model, batch.frames)
    given = known_latents(latents, batch)
    assert torch.equal(given.any(1).flatten(2).any(2), batch.known)
    sharp = batch.known & (batch.soft == 0)
    assert torch.equal(given.transpose(1, 2)[sharp], latents.transpose(1, 2)[sharp])


def test_a_resumed_run_is_the_same_run(pictures: Pictures, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, part = TinyTraining(SMALL), TinyTraining(SMALL)
    for step in range(2):
        whole.advance(whole.draw(pictures, step))
    part.advance(part.draw(pictures, 0))
    part.save(tmp_path)
    resumed = TinyTraining.load(tmp_path)
    resumed.advance(resumed.draw(pictures, 1))
    assert resumed.step == whole.step == 2
    assert all(torch.equal(resumed.values[name], value) for name, value in whole.values.items())
    assert all(torch.equal(resumed.averaged[name], value) for name, value in whole.averaged.items())
    assert "network.unet.conv_out.weight" in load_tensors(tmp_path / STATE)
