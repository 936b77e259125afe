"""Measure the fit: ``python scripts/bench_mimic.py SUITE.toml --part NAME``; figures are in docs/measurements.md.

The oracle test: the hidden frames of a case drawn at 15 frames/s, from where they tell most by what is known or from
an azimuth, are the video; joints are what an
estimator sees in it that was trained on context and keys alone. Each line is one fit: errors relative to slerp's, in
the image plane and along the view axis apart, and CPU time of one thread.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from films import FILMS, before_its_background, films, in_its_look
from torch.nn.functional import avg_pool2d, interpolate

from engine.evaluation.evaluate import SuiteCase, plans_of, read_suite
from engine.evaluation.oracle import (
    Oracle,
    beside,
    estimator_of,
    evidence_of,
    make_oracle,
    row_of,
    run_oracle,
    simulated_evidence,
)
from engine.evaluation.rows import Row
from engine.events import Event, StageProgress
from engine.files.video import Video
from engine.joints.estimator import load_estimator, save_estimator
from engine.joints.evidence import JointEvidence
from engine.joints.settings import EstimatorSettings
from engine.mimic.settings import MimicSettings
from engine.priors.catalogue import PRIORS
from engine.priors.fill import complete
from engine.progress import Progress
from engine.rendering.threads import limited_threads
from usd_io.model import Motion
from usd_io.read.stage import read_shot

MAIN = (
    "fox_survey,woman_death,horse_walk,robot_dance,manta_ray_swim,cmu_05_02_1,trex_idle,stegosaurus_walk,HIK_Export,"
    "fair_wave_hello_1,horse_walkslow,cmu_02_05_1"
)
SOME = "woman_death,horse_walk,manta_ray_swim,cmu_05_02_1"
FEW = "fox_survey,woman_death,horse_walk"
DEFAULT = MimicSettings()
ABLATIONS = {
    "all": DEFAULT,
    "no pictures": replace(DEFAULT, image_weight=0),
    "no silhouette": replace(DEFAULT, silhouette_weight=0),
    "no joints": replace(DEFAULT, joint_weight=0),
    "no pose prior": replace(DEFAULT, pose_prior=False),
}
ESTIMATORS = {
    "all": EstimatorSettings(),
    "no key weighting": EstimatorSettings(key_weight=1.0),
    "one training view": EstimatorSettings(other_views=0.0),
}


def degraded(video: Video) -> dict[str, Video]:
    """What a video model, or a file, might do to the pictures."""
    frames = video.frames
    noise = 0.1 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    half = interpolate(avg_pool2d(frames, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    tint = torch.tensor([1.1, 0.95, 0.85])[:, None, None]
    return {
        "blur of 3 px": replace(video, frames=avg_pool2d(frames, 7, 1, 3, count_include_pad=False)),
        "noise of 0.1": replace(video, frames=(frames + noise).clamp(0, 1)),
        "colour shift": replace(video, frames=(frames.clamp_min(1e-4) ** 1.2 * tint).clamp(0, 1)),
        "half resolution": replace(video, frames=half),
        "2 px jitter": replace(video, frames=_jittered(frames)),
        "every 2nd frame": Video(video.times[::2], frames[::2]),
    }


def _jittered(frames: torch.Tensor) -> torch.Tensor:
    shifts = torch.randint(-2, 3, (len(frames), 2), generator=torch.Generator().manual_seed(2)).tolist()
    return torch.stack([f.roll(shift, (1, 2)) for f, shift in zip(frames, shifts, strict=True)])


def wrong(video: Video, other: Video) -> dict[str, Video]:
    """Videos that do not show the motion, in the times of one that does."""
    frames, count = video.frames, len(video.frames)
    return {
        "stands still": replace(video, frames=frames[:1].expand_as(frames)),
        "runs backwards": replace(video, frames=frames.flip(0)),
        "0.2 s early": replace(video, frames=torch.cat([frames[3:], frames[-1:].expand_as(frames[:3])])),
        "one frame late": replace(video, frames=torch.cat([frames[:1], frames[:-1]])),
        "shuffled": replace(
            video, frames=frames[torch.randperm(count, generator=torch.Generator().manual_seed(3))]
        ),
        "another character": replace(video, frames=other.frames[torch.arange(count) % len(other.frames)]),
    }


def load(case: SuiteCase, azimuth: float | None) -> Oracle:
    shot = read_shot(case.stage)
    found = {
        character.skeleton_path: plan
        for character, _, plan in plans_of(shot, case.context, case.keys, strict=False)
    }
    return make_oracle(shot, [found.get(c.skeleton_path) for c in shot.characters], azimuth=azimuth)


def say(**told: object) -> None:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    sys.stdout.write(json.dumps({**told, "peak_mb": peak}) + "\n")
    sys.stdout.flush()


class Bench:
    """One case, with what all its fits share."""

    def __init__(self, case: SuiteCase, cache: Path | None, azimuth: float | None = None) -> None:
        self.case, self.cache = case, cache
        self.seen_from = "chosen" if azimuth is None else f"{azimuth:g}"
        self.azimuth = azimuth or 0.0
        self.oracle = load(case, azimuth)
        self.index = next(i for i, s in enumerate(self.oracle.subjects) if s.plan is not None)
        self.base = self._scored("slerp", self._made("slerp"))

    def priors(self) -> None:
        """The baselines."""
        for name in ("slerp", "auto"):
            began = time.process_time()
            row = self._scored(name, self._made(name))
            self._say(name, row, time.process_time() - began)

    def evidence(
        self, variant: str = "all", video: Video | None = None, trained_for: Oracle | None = None
    ) -> tuple[JointEvidence, ...]:
        """What an estimator sees in the oracle's video, or in another one; trained for the oracle's look, or for that
        of another one, which the variant then names."""
        path = (
            None
            if self.cache is None
            else self.cache / f"{self.case.id}-{self.seen_from}-{variant.replace(' ', '_')}.safetensors"
        )
        if path is not None and path.is_file():
            estimator = load_estimator(path)
        else:
            began, drawn = time.process_time(), []

            def told(event: Event) -> None:
                if isinstance(event, StageProgress) and not drawn:
                    drawn.append(time.process_time() - began)

            estimator = estimator_of(
                trained_for or self.oracle, ESTIMATORS.get(variant, ESTIMATORS["all"]), Progress(told)
            )
            spent = time.process_time() - began
            say(
                case=self.case.id,
                what=f"estimator, {variant}",
                drawn_s=round(drawn[0], 1),
                cpu_s=round(spent, 1),
            )
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                save_estimator(path, estimator)
        return evidence_of(self.oracle if video is None else replace(self.oracle, video=video), estimator)

    def fit(
        self,
        name: str,
        evidence: Sequence[JointEvidence | None],
        settings: MimicSettings = DEFAULT,
        video: Video | None = None,
    ) -> None:
        """One fit, of the oracle's video or of another."""
        began = time.process_time()
        oracle = self.oracle if video is None else replace(self.oracle, video=video)
        fitted = run_oracle(oracle, evidence, settings)[self.index]
        row = self._scored(name, fitted.motion)
        spent = time.process_time() - began
        share = None if fitted.explained is None else round(fitted.explained, 3)
        self._say(name, row, spent, trusted=fitted.trusted, explained=share)

    def looks(self, names: Sequence[str], blender: Path | None) -> None:
        """Films in other looks, fitted as if they were in ours, and in the look that was found."""
        oracle = self.oracle
        for name, video in films(oracle, names, blender):
            seen = before_its_background(oracle, video)
            self.oracle = seen
            self.fit(f"{name}, taken for ours", self.evidence())
            self.oracle, found = in_its_look(seen)
            told = (
                f"{name}, found: {found.appearance}{' with what was learnt' if found.learnt else ''}, colours off by "
                f"{found.usual:.3f}, {found.nearest:.3f}, {found.left:.3f}"
            )
            if found.learnt or found.appearance != "textured":
                self.fit(told, self.evidence(f"look {name}", trained_for=self.oracle))
            else:
                say(case=self.case.id, what=told)
        self.oracle = oracle

    def _say(self, name: str, row: Row, seconds: float, **more: object) -> None:
        def over(a: float | None, b: float | None) -> float:
            return round(a / b, 3) if a is not None and b else 1.0

        base = self.base
        say(
            case=self.case.id,
            what=name,
            l2p=over(row.scores.l2p, base.scores.l2p),
            plane=over(row.plane, base.plane),
            view=over(row.view, base.view),
            l2q=over(row.scores.l2q, base.scores.l2q),
            npss=over(row.scores.npss, base.scores.npss),
            l2p_above_slerp=round(row.scores.l2p - base.scores.l2p, 5),
            key_error=row.scores.key_error,
            cpu_s=round(seconds, 1),
            **more,
        )

    def _made(self, prior: str) -> Motion:
        subject = self.oracle.subjects[self.index]
        assert subject.parts is not None
        assert subject.plan is not None
        return PRIORS[prior](subject.character, subject.parts.known, subject.plan)

    def _scored(self, name: str, made: Motion) -> Row:
        subject = self.oracle.subjects[self.index]
        assert subject.parts is not None
        assert subject.plan is not None
        whole = complete(subject.character, subject.parts, subject.plan, made)
        return row_of(self.oracle, subject, name, whole, 0.0)


def measure(
    case: SuiteCase,
    part: str,
    cache: Path | None,
    azimuth: float | None,
    other: SuiteCase,
    shown: Sequence[str],
    blender: Path | None,
) -> None:
    bench = Bench(case, cache, azimuth)
    if part == "train":
        bench.evidence()
    if part == "main":
        bench.priors()
        bench.fit("fit", bench.evidence())
    if part == "two":
        bench.priors()
        other_side = Bench(case, cache, bench.azimuth + 90)
        told = bench.evidence(), other_side.evidence()
        bench.fit("one video", told[0])
        bench.oracle, both = beside(bench.oracle, told[0], other_side.oracle, told[1])
        bench.fit("two videos", both)
    if part == "simulated":
        bench.fit("fit, simulated joints", simulated_evidence(bench.oracle))
    if part == "paper":
        bench.fit("paper", bench.evidence(), replace(DEFAULT, solver="paper"))
    if part == "ablation":
        evidence = bench.evidence()
        for name, settings in ABLATIONS.items():
            bench.fit(name, evidence, settings)
    if part == "training":
        for variant in ESTIMATORS:
            bench.fit(variant, bench.evidence(variant))
    if part == "robustness":
        for name, video in degraded(bench.oracle.video).items():
            bench.fit(name, bench.evidence(video=video), DEFAULT, video)
    if part == "looks":
        bench.priors()
        bench.looks(shown, blender)
    if part == "wrong":
        bench.priors()
        for name, video in wrong(bench.oracle.video, load(other, azimuth).video).items():
            bench.fit(name, bench.evidence(video=video), DEFAULT, video)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parts = (
        "main",
        "two",
        "simulated",
        "paper",
        "ablation",
        "training",
        "robustness",
        "looks",
        "wrong",
        "train",
    )
    parser.add_argument("--part", default="main", choices=parts)
    parser.add_argument("--cases", default="", help="identifiers, separated by commas")
    parser.add_argument("--cache", type=Path, help="folder that keeps the trained estimators for other parts")
    parser.add_argument(
        "--azimuth", type=float, help="of the video [degrees], 0 the front; without it what tells most"
    )
    parser.add_argument("--films", default=",".join(FILMS), help="of --part looks")
    parser.add_argument("--blender", type=Path, help="a Python that has bpy, for the film workbench")
    chosen = parser.parse_args()
    usual = {
        "wrong": SOME,
        "paper": FEW,
        "ablation": SOME,
        "training": "woman_death,horse_walk",
        "robustness": SOME,
        "looks": "fox_survey,horse_walk,robot_dance,woman_death",
    }
    names = chosen.cases or usual.get(chosen.part, MAIN)
    cases = {case.id: case for case in read_suite(chosen.suite)}
    with limited_threads(1):
        for name in names.split(","):
            other = cases["robot_dance" if name == "fox_survey" else "fox_survey"]
            measure(
                cases[name],
                chosen.part,
                chosen.cache,
                chosen.azimuth,
                other,
                chosen.films.split(","),
                chosen.blender,
            )


if __name__ == "__main__":
    main()
