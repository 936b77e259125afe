"""Measure the fit: ``python scripts/bench_mimic.py SUITE.toml --part NAME``; figures are in docs/measurements.md.

The oracle test on the first gap of some cases: the hidden frames drawn at 15 frames/s from the front are the video,
joints are the true ones with noise. Each line is one fit:
errors relative to slerp's, in the image plane and along the view axis apart, and CPU time of one thread.
"""

import argparse
import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d, interpolate

from engine.evaluate import Case, Row, plans_of, read_suite
from engine.fill import PRIORS, complete
from engine.mimic.settings import MimicSettings
from engine.oracle import Oracle, make_oracle, row_of, run_oracle, simulated_evidence, starts_of
from engine.rendering.threads import limited_threads
from engine.video.generate import Video
from usd_io.model import Motion
from usd_io.stage import read_shot

MAIN = (
    "fox_survey,horse_walk,manta_ray_swim,robot_dance,woman_death,cmu_02_05_1,cmu_05_18_2,fair_zombie_1,trex_idle,"
    "stegosaurus_walk,horse_walkslow,cmu_06_12_1"
)
SOME = "woman_death,cmu_02_05_1,horse_walk"
PAPER = "fox_survey,cmu_02_05_1"
DEFAULT = MimicSettings()
ABLATIONS = {
    "all": DEFAULT,
    "no pictures": replace(DEFAULT, image_weight=0),
    "no silhouette": replace(DEFAULT, silhouette_weight=0),
    "no joints": replace(DEFAULT, joint_weight=0),
    "no pose prior": replace(DEFAULT, pose_prior=False),
    "up to 96 pixels": replace(DEFAULT, heights=(48, 96)),
}


def degraded(video: Video) -> dict[str, Video]:
    """What a video model, or a file, might do to the pictures."""
    frames = video.frames
    noise = 0.1 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    half = interpolate(avg_pool2d(frames, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    tint = torch.tensor([1.1, 0.95, 0.85])[:, None, None]
    return {
        "as it is": video,
        "blur of 3 px": replace(video, frames=avg_pool2d(frames, 7, 1, 3, count_include_pad=False)),
        "noise of 0.1": replace(video, frames=(frames + noise).clamp(0, 1)),
        "colour shift": replace(video, frames=(frames.clamp_min(1e-4) ** 1.2 * tint).clamp(0, 1)),
        "half resolution": replace(video, frames=half),
        "2 px jitter": replace(video, frames=_jittered(frames)),
    }


def _jittered(frames: torch.Tensor) -> torch.Tensor:
    shifts = torch.randint(-2, 3, (len(frames), 2), generator=torch.Generator().manual_seed(2)).tolist()
    return torch.stack([f.roll(shift, (1, 2)) for f, shift in zip(frames, shifts, strict=True)])


def load(case: Case, fps: float = 15.0) -> Oracle:
    """The first gap of a case."""
    shot = read_shot(case.stage)
    found = {
        character.skeleton_path: plan
        for character, _, plan in plans_of(shot, case.context, case.keys[:2], strict=False)
    }
    return make_oracle(shot, [found.get(c.skeleton_path) for c in shot.characters], fps=fps)


def say(case: str, name: str, row: Row, base: Row, seconds: float) -> None:
    def over(a: float | None, b: float | None) -> float:
        return round(a / b, 3) if a is not None and b else 1.0

    told = {
        "case": case,
        "what": name,
        "l2p": over(row.scores.l2p, base.scores.l2p),
        "plane": over(row.plane, base.plane),
        "view": over(row.view, base.view),
        "l2q": over(row.scores.l2q, base.scores.l2q),
        "npss": over(row.scores.npss, base.scores.npss),
        "key_error": row.scores.key_error,
        "cpu_s": round(seconds, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class Bench:
    """One case, with what all its fits share."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.oracle = load(case)
        self.index = next(i for i, plan in enumerate(self.oracle.plans) if plan is not None)
        self.base = self._scored("slerp", self._made("slerp"))
        self.evidence = simulated_evidence(self.oracle)
        self.starts = starts_of(self.oracle)

    def priors(self) -> None:
        """The baselines."""
        for name in ("slerp", "auto"):
            began = time.process_time()
            row = self._scored(name, self._made(name))
            say(self.case.id, name, row, self.base, time.process_time() - began)

    def fit(self, name: str, settings: MimicSettings, video: Video | None = None) -> None:
        """One fit, of the oracle's video or of another with the same times."""
        began = time.process_time()
        oracle = self.oracle if video is None else replace(self.oracle, video=video)
        fitted = run_oracle(oracle, self.starts, self.evidence, settings)
        row = self._scored(name, fitted[self.index].motion)
        say(self.case.id, name, row, self.base, time.process_time() - began)

    def sparse(self) -> None:
        """Every second frame alone."""
        video = self.oracle.video
        evidence = [
            replace(e, **{n: v[::2] for n, v in vars(e).items() if n != "seen"}) for e in self.evidence
        ]
        whole, self.evidence = self.evidence, tuple(evidence)
        self.fit("every 2nd frame", DEFAULT, Video(video.times[::2], video.frames[::2]))
        self.evidence = whole

    def _made(self, prior: str) -> Motion:
        part, plan = self.oracle.parts[self.index], self.oracle.plans[self.index]
        assert part is not None
        assert plan is not None
        return PRIORS[prior](self.oracle.characters[self.index], part.known, plan)

    def _scored(self, name: str, made: Motion) -> Row:
        part, plan = self.oracle.parts[self.index], self.oracle.plans[self.index]
        assert part is not None
        assert plan is not None
        whole = complete(self.oracle.characters[self.index], part, plan, made)
        return row_of(self.oracle, self.index, name, whole, 0.0)


def measure(case: Case, part: str) -> None:
    bench = Bench(case)
    if part == "main":
        bench.priors()
        bench.fit("fit", DEFAULT)
    if part == "paper":
        bench.fit("paper", replace(DEFAULT, solver="paper"))
    if part == "ablation":
        for name, settings in ABLATIONS.items():
            bench.fit(name, settings)
    if part == "robustness":
        for name, video in degraded(bench.oracle.video).items():
            bench.fit(name, DEFAULT, video)
        bench.sparse()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--part", default="main", choices=("main", "paper", "ablation", "robustness"))
    parser.add_argument("--cases", default="", help="identifiers, separated by commas")
    chosen = parser.parse_args()
    names = chosen.cases or {"main": MAIN, "paper": PAPER}.get(chosen.part, SOME)
    cases = {case.id: case for case in read_suite(chosen.suite)}
    with limited_threads(1):
        for name in names.split(","):
            measure(cases[name], chosen.part)


if __name__ == "__main__":
    main()
