"""What ``--loop`` brings on loops of real clips: their error, and the jump of velocity at the seam.

    python scripts/bench_loop.py CORPUS [--apart 0.5] [--context]

Loops of the characters that the learned prior was not trained on, from the clips of a corpus (a folder of npz files)
that are marked as loops and whose last pose is the first one. All frames but keys are hidden; the first and the last
key are the seam. With ``--context`` the first half is finished motion. Per prior, plain and as a loop: error of joint
positions (L2P) over slerp's, in all gaps and in those at the seam, and the change of the joints' velocity at the seam
[heights/s], beside the truth's. Clips whose motion goes on through the seam stand apart from those that stop there, as
a blow does that is played once and ends where it began: those are no cycles.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.geometry import metrics, skeleton
from engine.priors.fill import fill_motion
from engine.training.learned_prior.cases import as_shot
from engine.training.learned_prior.data import FRAME_RATE, HELD_OUT, read_corpus
from usd_io.model import Character, Motion
from usd_io.shapes import Float

SHORTEST_S, SHORTEST_HALVED_S = 0.9, 1.5
GOES_ON = 0.5
"""A clip goes on through its seam if the velocity changes there by less than this part of the joints' mean speed."""
MOVING = 0.02
"""Loops in which slerp misses less than this [heights] are left out."""
METHODS = {"slerp": ("slerp", False)}
for _prior in ("spline", "learned", "auto"):
    METHODS |= {_prior: (_prior, False), f"{_prior}, loop": (_prior, True)}


def loops(corpus: Path, shortest_s: float) -> Iterator[tuple[Character, Motion]]:
    """Clips that are marked as loops, longer than so much."""
    marked = set()
    for source in HELD_OUT:
        path = corpus / f"{source}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                names, flags = file["clip_names"], file["clip_loop"]
            marked |= {(source, str(name)) for name, flag in zip(names, flags, strict=True) if flag}
    for clip in read_corpus(corpus, held_out=True, play_loops=False):
        if (clip.source, clip.name) in marked and clip.frames > shortest_s * FRAME_RATE:
            yield as_shot(clip)


class Loop:
    """One clip and how far motions are from it."""

    def __init__(self, character: Character, truth: Motion, apart_s: float, *, context: bool) -> None:
        self.character, self.truth = character, truth
        end = len(truth.times) - 1
        self.first = end // 2 if context else 0
        count = max(2, round((end - self.first) / FRAME_RATE / apart_s))
        self.keys = np.unique(np.round(np.linspace(self.first, end, count + 1))).astype(int)
        self.known = np.union1d(self.keys, np.arange(self.first + 1))
        self.size = metrics.height(character, truth, 0.0)
        self.places = skeleton.joint_positions(character, truth) / self.size

    def filled(self, prior: str, *, loop: bool) -> Float[np.ndarray, "frame joint 3"]:
        """Joint positions of the clip as filled [heights]."""
        keys = self.truth.times[self.keys].tolist()
        context = [(0.0, keys[0])] if self.first else []
        known = self.truth.at(self.known)
        made = fill_motion(self.character, known, context=context, keys=keys, prior=prior, loop=loop).motion
        return skeleton.joint_positions(self.character, made) / self.size

    def errors(self, places: Float[np.ndarray, "frame joint 3"]) -> tuple[float, float]:
        """L2P of the hidden frames [heights]: of all, and of those in the gaps at the seam."""
        apart = np.sqrt(((places - self.places) ** 2).sum((1, 2)))
        frames = np.arange(len(apart))
        hidden = ~np.isin(frames, self.known)
        seam = hidden & ((frames > self.keys[-2]) | (not self.first) & (frames < self.keys[1]))
        return float(apart[hidden].mean()), float(apart[seam].mean())

    def jump(self, places: Float[np.ndarray, "frame joint 3"]) -> float:
        """Change of velocity at the seam [heights/s], mean over joints."""
        change = (places[1] - places[0]) - (places[-1] - places[-2])
        return float(np.linalg.norm(change, axis=-1).mean() * FRAME_RATE)

    @property
    def goes_on(self) -> bool:
        """Whether the truth moves on through the seam."""
        speed = np.linalg.norm(np.diff(self.places, axis=0), axis=-1).mean() * FRAME_RATE
        return self.jump(self.places) < GOES_ON * float(speed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--apart", type=float, default=0.5, help="seconds between keys, about")
    parser.add_argument("--context", action="store_true", help="the first half is finished motion")
    arguments = parser.parse_args()
    shortest = SHORTEST_HALVED_S if arguments.context else SHORTEST_S
    rows: dict[bool, dict[str, list[tuple[float, float, float]]]] = {True: {}, False: {}}
    for character, truth in loops(arguments.corpus, shortest):
        loop = Loop(character, truth, arguments.apart, context=arguments.context)
        base = loop.errors(loop.filled("slerp", loop=False))
        if base[0] <= MOVING:
            continue
        try:
            made = {name: loop.filled(prior, loop=on) for name, (prior, on) in METHODS.items()}
        except EngineError:  # the last pose is not the first one
            continue
        own = rows[loop.goes_on]
        own.setdefault("truth", []).append((0.0, 0.0, loop.jump(loop.places)))
        for name, places in made.items():
            whole, seam = loop.errors(places)
            own.setdefault(name, []).append((whole / base[0], seam / base[1], loop.jump(places)))
    for goes_on, found in rows.items():
        count = len(found.get("truth", ()))
        sys.stdout.write(f"{count} clips that {'go on through' if goes_on else 'stop at'} the seam\n")
        sys.stdout.write(f"{'':14}{'L2P':>8}{'at seam':>9}{'jump':>8}\n")
        for name, values in found.items():
            error, at_seam, jump = np.mean(values, 0)
            sys.stdout.write(f"{name:14}{error:8.3f}{at_seam:9.3f}{jump:8.3f}\n")


if __name__ == "__main__":
    main()
