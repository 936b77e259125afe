"""What is made of keys that are one pose, or nearly: of a pose keyed twice, of motion that returns or goes round.

    python scripts/bench_holds.py CORPUS [--prior auto] [--each]

Shots are made of the clips of characters that the learned prior was not trained on (a corpus: a folder of npz files).

*Keyed twice*: two seconds of context, then up to four poses of the clip, 20 frames apart in it, each keyed twice 20
frames apart. The second key differs by noise of every value of its quaternions, or by a turn of every joint about an
axis of its own, both seeded; the truth goes straight from key to key in a hold, and between holds as the clip does but
for that turn, which fades. Per difference: how many holds; how far their keys are apart, in parts of the lesser move
beside, median; how far a joint strays from straight in one, median and largest [% of the height]; L2P over slerp's,
which is the truth in holds, mean over shots. Clips in which slerp misses little are left out, and shorter ones.

*Returns*: gaps of 12, 20 and 30 frames of real motion behind two seconds of context whose keys are near, by the way
from key to key over the usual one in such a time in the context (root mean square over the joints), a few of every
character in a class. Per class: how many gaps; L2P over slerp's, mean; L2P [heights] in sum, and slerp's.

*Cycles*: loops that stay in their place, played on, with a context of one and a half of them, a key a third of a cycle
behind it, and that pose again a number of cycles later. Per number: how many shots; L2P of the last gap over slerp's,
median and largest; true over told error, median and largest.

The same cases are asked of another checkout by ``PYTHONPATH=CHECKOUT``. ``--each`` prints every shot.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Gap, Plan
from engine.priors.fill import fill, fill_plainly
from engine.training.learned_prior.cases import as_shot
from engine.training.learned_prior.data import Clip, read_corpus
from usd_io.model import Character, Motion
from usd_io.shapes import Float

SEED = 5
AHEAD, APART, POSES, CLIPS = 60, 20, 4, 3
"""Frames of context, between poses of a clip and in a hold; poses at most; clips of a character."""
MOVING = 0.1
"""Shots in which slerp misses less than this [heights] in the moves are left out."""
TURNS = tuple(("turn", angle) for angle in (0.01, 0.03, 0.06, 0.12, 0.2))
DIFFERENCES = (("none", 0.0), ("noise", 1e-3), ("noise", 1e-2), *TURNS)
"""Of the second key: standard deviation of quaternions, angle [rad]."""
LENGTHS, STEP = (12, 20, 30), 2
"""Frames of gaps that may be returns, and from one to the next place that is looked at."""
CLASSES = (0.0, 0.03, 0.06, 0.1, 0.2)
CYCLES, SHORTEST_CYCLE, LONGEST_CYCLE, LOOPS, CLOSED = (1, 2, 3, 5), 12, 60, 3, 0.02
"""Between keys; frames of a cycle; loops of a character; how far the ends of a loop are apart, of values of quaternions
and in heights."""
FEW, LONGEST, LEAST_USUAL = 8, 1200, 0.03
"""Returns of a class of a character, frames of a clip; usual way [heights] below which nothing moves."""


@dataclass(frozen=True, eq=False)
class Shot:
    """Motion behind a context, and its keys."""

    name: str
    character: Character
    truth: Motion
    keys: tuple[int, ...]
    """Frames, the first where the context ends."""

    def plan(self) -> Plan:
        keys = tuple(self.truth.times[[*self.keys]].tolist())
        gaps = tuple(Gap(a, b, tuple(np.arange(a + 1, b))) for a, b in pairwise(keys))
        return Plan("/", ((keys[0] - AHEAD, keys[0]),), keys, gaps)

    def filled(self, prior: str) -> tuple[Motion, Float[np.ndarray, " gap"]]:
        """The shot as filled, and its L2P gap by gap [heights]."""
        plan = self.plan()
        made = fill_plainly(prior, self.character, split_dense(self.truth, plan), plan)
        return made, np.array(metrics.score(self.character, self.truth, made, plan).per_gap_l2p)

    def nearness(self) -> Float[np.ndarray, " hold"]:
        """How far the keys of each first, third, ... gap are apart, in parts of the lesser move beside it."""
        places = skeleton.joint_positions(self.character, self.truth.at(np.array(self.keys)))
        ways = np.sqrt((np.diff(places, axis=0) ** 2).sum(-1).mean(-1))
        moves = np.array([np.inf, *ways[1::2], np.inf])
        return np.asarray(ways[::2] / np.minimum(moves[:-1], moves[1:]))

    def strays(self, made: Motion) -> list[float]:
        """How far a joint is from the truth at most in each first, third, ... gap [heights]."""
        size = metrics.height(self.character, self.truth, self.truth.times[self.keys[0]])
        times = self.truth.times[[*self.keys]]
        found = []
        for start, end in list(pairwise(times))[::2]:
            places = [
                skeleton.joint_positions(self.character, m.at((m.times >= start) & (m.times <= end)))
                for m in (made, self.truth)
            ]
            found.append(float(np.linalg.norm(places[0] - places[1], axis=-1).max() / size))
        return found


def clips_of(corpus: Path, rng: np.random.Generator) -> Iterator[tuple[str, list[Clip]]]:
    """Characters and their clips, shuffled."""
    for source, group in groupby(read_corpus(corpus, held_out=True, play_loops=False), lambda c: c.source):
        clips = list(group)
        yield source, [clips[n] for n in rng.permutation(len(clips))]


def blocked(shot: Shot, kind: str, size: float) -> Shot:
    """Each pose at the keys of a shot keyed twice, the second time a little different."""
    rng = np.random.default_rng(SEED)
    frames, keys = [*range(shot.keys[0])], []
    for n, frame in enumerate(shot.keys):
        keys += [len(frames), len(frames) + APART]
        frames += [frame] * APART + [*range(frame, [*shot.keys, frame + 1][n + 1])]
    truth = replace(shot.truth.at(np.array(frames)), times=np.arange(len(frames), dtype=float))
    q = truth.rotations.astype(float)
    for first, last, then in zip(keys[::2], keys[1::2], [*keys[2::2], len(frames)], strict=True):
        values = rng.normal(size=q.shape[1:])
        turn = size * values[:, 1:] / np.linalg.norm(values[:, 1:], axis=-1, keepdims=True)
        if kind == "noise":
            turn = rotations.log(rotations.multiply(rotations.conjugate(q[first]), q[first] + size * values))
        share = np.interp(np.arange(first, then), [first, last, then], [0, 1, 0])
        q[first:then] = rotations.multiply(q[first:then], rotations.exp(share[:, None, None] * turn))
    return replace(shot, truth=replace(truth, rotations=q.astype(np.float32)), keys=tuple(keys))


def rows_of_poses(corpus: Path) -> Iterator[Shot]:
    """Clips with keys at the poses that are to be keyed twice."""
    for source, clips in clips_of(corpus, np.random.default_rng(SEED)):
        for clip in [clip for clip in clips if clip.frames > AHEAD + 2 * APART][:CLIPS]:
            poses = min(POSES, (clip.frames - 1 - AHEAD) // APART + 1)
            keys = tuple(AHEAD + APART * n for n in range(poses))
            shot = Shot(f"{source} {clip.name}", *as_shot(clip), keys)
            if shot.filled("slerp")[1].mean() > MOVING:
                yield shot


def returns(corpus: Path) -> Iterator[tuple[int, float, Shot]]:
    """Gaps whose keys are near, a second one behind each where there is room; their class, and how near."""
    rng = np.random.default_rng(SEED)
    for source, clips in clips_of(corpus, rng):
        near: list[tuple[float, int, Shot]] = []
        for n, clip in enumerate(clips):
            character, truth = as_shot(clip)
            truth = truth.at(slice(0, LONGEST))
            places = skeleton.joint_positions(character, truth) / metrics.height(character, truth, 0.0)
            for length in LENGTHS:
                ways = np.sqrt(((places[length:] - places[:-length]) ** 2).sum(-1).mean(-1))
                for start in range(AHEAD, len(ways), STEP):
                    usual = float(np.median(ways[start - AHEAD : start - length + 1]))
                    if usual > LEAST_USUAL and ways[start] < CLASSES[-1] * usual:
                        keys = tuple(range(start, min(start + 2 * length + 1, len(places)), length))
                        shot = Shot(f"{source} {clip.name} {start}", character, truth, keys)
                        near.append((float(ways[start] / usual), n, shot))
        taken: dict[int, list[tuple[int, int]]] = {}
        for i in rng.permutation(len(near)):
            share, n, shot = near[i]
            kind = int(np.searchsorted(CLASSES, share, side="right"))
            own = taken.setdefault(kind, [])
            if len(own) < FEW and all(n != m or abs(shot.keys[0] - at) > LENGTHS[-1] for m, at in own):
                own.append((n, shot.keys[0]))
                yield kind, share, shot


def cycles(corpus: Path) -> Iterator[tuple[int, str, Character, Motion, Plan]]:
    """How many cycles are between the keys of the last gap, a name, and the shot."""
    for source, clips in clips_of(corpus, np.random.default_rng(SEED)):
        shown = 0
        for clip in clips:
            character, loop = as_shot(clip)
            period = len(loop.times) - 1
            ends = loop.at(np.array([0, period]))
            size = metrics.height(character, loop, 0.0)
            turned = 1 - np.abs((ends.rotations[0] * ends.rotations[1]).sum(-1)).min()
            way = (
                np.linalg.norm(np.diff(skeleton.joint_positions(character, ends), axis=0), axis=-1).max()
                / size
            )
            if shown == LOOPS or max(turned, way) > CLOSED or not SHORTEST_CYCLE <= period <= LONGEST_CYCLE:
                continue
            moves = skeleton.joint_positions(character, loop) / size
            if np.sqrt(((moves - moves[0]) ** 2).sum((1, 2))).mean() < MOVING:
                continue
            shown += 1
            first = round(1.5 * period) + period // 3
            frames = np.arange(first + max(CYCLES) * period + 1)
            truth = replace(loop.at(frames % period), times=frames.astype(float))
            for count in CYCLES:
                keys = (float(first - period // 3), float(first), float(first + count * period))
                gaps = tuple(Gap(a, b, tuple(np.arange(a + 1, b))) for a, b in pairwise(keys))
                shot = truth.at(slice(0, int(keys[-1]) + 1))
                yield (
                    count,
                    f"{source} {clip.name}",
                    character,
                    shot,
                    Plan("/", ((0.0, keys[0]),), keys, gaps),
                )


def of_cycles(corpus: Path, prior: str, *, each: bool) -> None:
    """Write the part of the cycles."""
    say = sys.stdout.write
    found: dict[int, list[tuple[float, float]]] = {}
    for count, name, character, truth, plan in cycles(corpus):
        filled = fill(character, split_dense(truth, plan), plan, prior)
        slerp = fill_plainly("slerp", character, split_dense(truth, plan), plan)
        own, straight = (
            metrics.score(character, truth, motion, plan).per_gap_l2p[-1] for motion in (filled.motion, slerp)
        )
        told = filled.self_test.choices[-1].expected_l2p
        found.setdefault(count, []).append((own / straight, own / told if told else np.inf))
        if each:
            say(f"  {name}, {count}: {own:.3f}, slerp {straight:.3f}, told {told}\n")
    say(f"cycles between keys\n{'':12}{'shots':>7}{'L2P':>8}{'most':>8}{'told':>8}{'most':>8}\n")
    for count, pairs in sorted(found.items()):
        shares, told_too_little = np.array(pairs).T
        cells = [f(a) for a in (shares, told_too_little) for f in (np.median, np.max)]
        say(f"{count:<12}{len(pairs):7}" + "".join(f"{cell:8.2f}" for cell in cells) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--prior", default="auto")
    parser.add_argument("--each", action="store_true")
    chosen = parser.parse_args()
    say = sys.stdout.write
    rows = list(rows_of_poses(chosen.corpus))
    say(
        f"{len(rows)} shots, keyed twice\n{'':12}{'holds':>7}{'apart':>8}{'strays':>8}{'most':>7}{'L2P':>8}\n"
    )
    for kind, size in DIFFERENCES:
        strays, shares, apart = [], [], []
        for shot in (blocked(row, kind, size) for row in rows):
            made, errors = shot.filled(chosen.prior)
            shares.append(errors.mean() / shot.filled("slerp")[1].mean())
            strays += (own := shot.strays(made))
            apart += shot.nearness().tolist()
            if chosen.each:
                say(f"  {shot.name}: {' '.join(f'{100 * s:.2f}' for s in own)}, {shares[-1]:.3f}\n")
        most = f"{np.median(apart):8.3f}{100 * np.median(strays):8.2f}{100 * max(strays):7.2f}"
        say(f"{kind:6}{size:6g}{len(strays):7}{most}{np.mean(shares):8.3f}\n")
    found: dict[int, list[tuple[float, float]]] = {}
    for n, share, shot in returns(chosen.corpus):
        pair = tuple(float(shot.filled(prior)[1][0]) for prior in (chosen.prior, "slerp"))
        found.setdefault(n, []).append((pair[0], pair[1]))
        if chosen.each:
            say(f"  {shot.name}: {share:.3f}, {pair[0]:.3f}, slerp {pair[1]:.3f}\n")
    say(f"returns by nearness\n{'':12}{'gaps':>7}{'L2P':>8}{'sum':>8}{'slerp':>8}\n")
    for n, pairs in sorted(found.items()):
        auto, slerp = np.array(pairs).T
        label = f"{CLASSES[n - 1]:g} to {CLASSES[n]:g}"
        say(f"{label:12}{len(pairs):7}{(auto / slerp).mean():8.3f}{auto.sum():8.2f}{slerp.sum():8.2f}\n")
    of_cycles(chosen.corpus, chosen.prior, each=chosen.each)


if __name__ == "__main__":
    main()
