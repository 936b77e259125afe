"""The correction of drawn guesses: abstains at first, sees what is known alone, learns, goes on as the same run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.learned_prior.procedural import procedural_clips
from engine.training.tiny_video import guesses
from engine.training.tiny_video.correct import CorrectionSettings, CorrectionTraining
from engine.training.tiny_video.guesses import (
    AHEAD,
    GuessPictures,
    batch_of,
    draw_guesses,
    frames_in_gaps,
    load_guesses,
    save_guesses,
)

SMALL = CorrectionSettings(batch=4, steps=200, warm_up=2, learning_rate=3e-3)
LENGTH = AHEAD + 1 + 4 + 1


@pytest.fixture
def pictures() -> GuessPictures:
    """Two gaps in which all is too dark by a tenth where it is guessed."""
    truth = np.random.default_rng(2).integers(60, 200, (2 * LENGTH, 16, 16, 3), dtype=np.uint8)
    guess = truth.copy()
    for _, frame, _ in frames_in_gaps((0, LENGTH, 2 * LENGTH)):
        guess[frame] -= 25
    return GuessPictures(truth, guess, (0, LENGTH, 2 * LENGTH))


def test_untrained_the_guess_stays_as_it_is(pictures: GuessPictures) -> None:
    run = CorrectionTraining(SMALL)
    inputs = run.draw(pictures, 0).inputs
    assert torch.equal(run.network(inputs), inputs.guess[:, 1])
    measured = run.evaluate(pictures)
    assert measured["guess_db"] == measured["corrected_db"]
    assert measured["worse"] == 0


def test_inputs_hold_no_truth_from_within_a_gap(pictures: GuessPictures) -> None:
    inside = frames_in_gaps(pictures.starts)
    assert [frame for _, frame, _ in inside] == [3, 4, 5, 6, 11, 12, 13, 14]
    batch = batch_of(pictures, inside, np.arange(len(inside)) % 2 == 1)
    known = torch.from_numpy(pictures.truth).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(batch.inputs.keys[0], known[[2, 7]])
    assert torch.equal(batch.inputs.context[0], known[[0, 1]])
    assert torch.equal(batch.inputs.guess[0, 0], known[2])
    assert torch.equal(batch.truth[0], known[3])
    assert torch.equal(batch.truth[1], known[4].flip(-1))
    assert torch.equal(batch.inputs.keys[1], known[[2, 7]].flip(-1))
    assert batch.inputs.place.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8] * 2)
    seen = torch.cat([batch.inputs.guess, batch.inputs.keys, batch.inputs.context], 1)[::2]
    hidden = known[[frame for _, frame, _ in inside]]
    assert not (seen[:, :, None] == hidden[None, None]).all((-1, -2, -3)).any()


def test_what_is_wrong_in_all_guesses_is_learnt(pictures: GuessPictures) -> None:
    torch.set_num_threads(1)
    run = CorrectionTraining(SMALL)
    for step in range(60):
        run.advance(run.draw(pictures, step))
    measured = run.evaluate(pictures)
    assert measured["corrected_db"] > measured["guess_db"] + 3


def test_a_resumed_run_is_the_same_run(pictures: GuessPictures, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    save_guesses(tmp_path / "p.npz", pictures)
    pictures = load_guesses(tmp_path / "p.npz")
    whole, part = CorrectionTraining(SMALL), CorrectionTraining(SMALL)
    for step in range(2):
        whole.advance(whole.draw(pictures, step))
    part.advance(part.draw(pictures, 0))
    part.save(tmp_path)
    resumed = CorrectionTraining.load(tmp_path)
    resumed.advance(resumed.draw(pictures, 1))
    assert resumed.step == whole.step == 2
    assert all(torch.equal(resumed.values[name], value) for name, value in whole.values.items())
    assert all(torch.equal(resumed.averaged[name], value) for name, value in whole.averaged.items())


def test_gaps_are_drawn_as_they_are_and_as_they_are_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [clip for clip in procedural_clips(12, 2) if clip.frames >= 100][:1]
    assert clips
    monkeypatch.setattr(guesses, "read_corpus", lambda root, held_out: clips)
    drawn = draw_guesses(Path(), 1, 3, held_out=True, prior="slerp")
    same = (drawn.truth == drawn.guess).all((1, 2, 3))
    inside = {frame for _, frame, _ in frames_in_gaps(drawn.starts)}
    assert inside
    assert all(same[frame] for frame in range(len(same)) if frame not in inside)
    assert not all(same[frame] for frame in inside)
    for start in drawn.starts[1:-1]:  # before a later gap nothing but its start is known
        assert (drawn.truth[start : start + AHEAD] == drawn.truth[start + AHEAD]).all()
