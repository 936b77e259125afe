"""The paper's ablation with the tiny video model: the whole method with one part left out, in pictures and in motion.

    python scripts/bench_ablation.py SUITE.toml --out ROWS.jsonl [--cases horse_walk ...]

Each case is drawn from the front, the frames between the keys are generated from context and keys, and the rig is
fitted to them from where the motion engine ends. Variants share what does not depend on them: the joint estimator, and
the adapted model. *Guess* fits what the motion engine made, drawn, and *guess, corrected* that after the correction of
``--correction``. *No data selection* is about the estimator: all four views and all frames alike, no poses beside the
true ones. Two further videos say what the fit itself is worth: a cross-fade of the keys, and the hidden frames
themselves.

Rows are written as they come and not measured again: a stopped bench goes on. Pictures are scored at 15 frames/s,
motion at the hidden frames, over slerp's error in the same run. Times are of the processor, one thread; what is shared
counts in the row that needs it first.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_tiny import COARSE_RATE, RATE, Shot, Tiny, fade, prepare, prior_motion, psnr, say, ssim

from engine.evaluation.evaluate import SuiteCase, read_suite
from engine.files.tensors import load_tensors
from engine.files.video import Video, frames_of, pictures_of
from engine.geometry.metrics import score
from engine.geometry.resample import resample
from engine.joints.estimator import Estimator, estimate
from engine.joints.settings import EstimatorSettings
from engine.mimic.fit_subject import FitSubject
from engine.mimic.settings import MimicSettings
from engine.priors.fill import complete, split
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.threads import limited_threads
from engine.rendering.views import View
from engine.scene.background import seen_backdrop
from engine.stages.estimate_joints import train_estimator
from engine.stages.mimic import mimic
from engine.video.network.model import VideoModel
from engine.video.tiny import ADAPT, IMAGE_SIZE, SAMPLER, load_tiny
from engine.video.tiny.correction import GuessCorrection, correct
from usd_io.model import Motion

CASES = ("horse_walk", "robot_dance", "trex_idle", "manta_ray_swim", "stegosaurus_walk", "woman_death")
AREA = IMAGE_SIZE[0] * IMAGE_SIZE[1]
SELECTED = EstimatorSettings(area=AREA)
UNSELECTED = replace(SELECTED, key_weight=1.0, other_views=0.75, random_poses=0)
"""Four views and all known frames alike, nothing else."""
CORRECTED = "guess, corrected"
MEASURES = ("psnr", "ssim", "l2p", "l2q", "npss")
RELATIVE = ("l2p", "l2q", "npss")


@dataclass(frozen=True, eq=False)
class Ablation:
    """One case with what its variants share, made when it is first needed."""

    shot: Shot
    tiny: Tiny
    weights: Path = Path()
    """Of the correction of guesses."""

    @cached_property
    def model(self) -> VideoModel:
        return self.tiny.adapted()[0]

    @cached_property
    def full(self) -> Video:
        return self.tiny.fill(self.model)

    @cached_property
    def start(self) -> Motion:
        return prior_motion(self.shot, "auto")

    @cached_property
    def times(self) -> list[float]:
        """Hidden frames of the video [s]."""
        true, gaps = self.tiny.true.times, self.tiny.gaps
        return [t for t in self.full.times if t not in true and any(a < t < b for a, b in gaps)]

    @cached_property
    def truth(self) -> Video:
        return Video(self.full.times, self.shot.draw(self.shot.motion, self.full.times))

    @cached_property
    def view(self) -> View:
        """The front, before what the generated video shows behind the character, as in a run."""
        shot = self.shot
        at = np.array(self.full.times) * shot.motion.time_codes_per_second
        actors = Actors((shot.character,), (resample(self.start, at),))
        mask = shot.renderer.render(actors.vertices(slice(None)), shot.views[0].cameras).mask
        return replace(shot.views[0], backdrop=seen_backdrop(self.full.frames, mask > 0, None))

    @cached_property
    def selected(self) -> Estimator:
        return self.train(SELECTED)

    @cached_property
    def unselected(self) -> Estimator:
        return self.train(UNSELECTED)

    def train(self, settings: EstimatorSettings) -> Estimator:
        shot = self.shot
        known = np.array(self.tiny.true.times) * shot.motion.time_codes_per_second
        return train_estimator(
            Actors((shot.character,), (resample(shot.motion, known),)),
            shot.renderer,
            (self.view, *shot.views[1:]),
            keys=shot.plan.keys,
            gaps=[(gap.start, gap.end) for gap in shot.plan.gaps],
            settings=settings,
            progress=Progress(),
        )

    def faded(self) -> Video:
        return Video(self.full.times, fade(self.tiny.true, self.full.times))

    def guess(self) -> Video:
        """The motion engine's answer, drawn, where nothing is known; true frames as they are."""
        at = [t not in self.tiny.true.times for t in self.full.times]
        frames = self.full.frames.clone()
        frames[at] = self.shot.draw(self.start, [t for t in self.full.times if t not in self.tiny.true.times])
        return Video(self.full.times, frames)

    def corrected(self) -> Video:
        """The same, corrected."""
        whole = self.guess()
        free = [i for i, t in enumerate(whole.times) if any(a < t < b for a, b in self.tiny.gaps)]
        drawn = Video(tuple(whole.times[i] for i in free), whole.frames[free])
        frames = whole.frames.clone()
        frames[free] = correct(self.correction(), drawn, self.tiny.true, self.tiny.gaps, RATE).frames
        return Video(whole.times, frames)

    def correction(self) -> GuessCorrection:
        network = GuessCorrection().eval()
        network.load_state_dict({k: v.float() for k, v in load_tensors(self.weights).items()})
        return network

    def fitted(self, video: Video, estimator: Estimator) -> Motion:
        """The motion that a video shows, its pictures as bytes as in a run."""
        shot = self.shot
        video = Video(video.times, frames_of(pictures_of(video)))
        (evidence,) = estimate(estimator, video.frames, self.view.cameras)
        (made,) = mimic(
            [FitSubject(shot.character, shot.plan, self.start, evidence)],
            video,
            self.view,
            shot.renderer.surface,
            settings=MimicSettings(appearance="canonical"),
        )
        parts = split(shot.motion, shot.plan, lambda times: resample(shot.motion, times))
        return complete(shot.character, parts, shot.plan, made.motion)

    def measures(self, motion: Motion, pictures: torch.Tensor) -> dict[str, float]:
        """Of a motion, and of pictures at the hidden times."""
        truth = self.shot.draw(self.shot.motion, self.times)
        scores = asdict(score(self.shot.character, self.shot.motion, motion, self.shot.plan))
        own = {name: float(scores[name]) for name in RELATIVE}
        return {"psnr": psnr(pictures, truth), "ssim": ssim(pictures, truth), **own}

    def of_prior(self, name: str) -> dict[str, float]:
        motion = prior_motion(self.shot, name)
        return self.measures(motion, self.shot.draw(motion, self.times))

    def of_video(self, video: Video, estimator: Estimator) -> dict[str, float]:
        return self.measures(self.fitted(video, estimator), fade(video, self.times))


METHODS: Mapping[str, Callable[[Ablation], dict[str, float]]] = {
    "slerp": lambda a: a.of_prior("slerp"),
    "motion engine": lambda a: a.of_prior("auto"),
    "full": lambda a: a.of_video(a.full, a.selected),
    "no ICAdapt": lambda a: a.of_video(a.tiny.fill(load_tiny()), a.selected),
    "no fine stage": lambda a: a.of_video(a.tiny.fill(a.model, COARSE_RATE), a.selected),
    "no data selection": lambda a: a.of_video(a.full, a.unselected),
    "cross-fade": lambda a: a.of_video(a.faded(), a.selected),
    "guess": lambda a: a.of_video(a.guess(), a.selected),
    CORRECTED: lambda a: a.of_video(a.corrected(), a.selected),
    "true video": lambda a: a.of_video(a.truth, a.selected),
}


def read_rows(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows that were measured before."""
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {(row["case"], row["what"]): row for row in rows}


def measure(case: SuiteCase, path: Path, wanted: Sequence[str], weights: Path | None) -> None:
    """All that is missing of one case."""
    missing = [name for name in wanted if (case.id, name) not in read_rows(path)]
    if weights is None:
        missing = [name for name in missing if name != CORRECTED]
    if not missing:
        return
    shot = prepare(case, IMAGE_SIZE)
    ablation = Ablation(shot, Tiny(shot, SAMPLER, ADAPT.steps, ADAPT.learning_rate), weights or Path())
    for name in missing:
        started = time.process_time()
        measured = METHODS[name](ablation)
        spent = round(time.process_time() - started, 1)
        row = {"case": case.id, "what": name, **measured, "cpu_s": spent}
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        say(json.dumps(row))


def table(path: Path, cases: list[str]) -> str:
    """Means over the cases, and L2P of each; motion over slerp's."""
    rows = read_rows(path)
    lines = [f"| | {' | '.join(MEASURES)} | L2P: {' | '.join(cases)} |", "|" + " --- |" * (6 + len(cases))]
    for name in METHODS:
        if any((case, name) not in rows for case in cases):
            continue
        own = [over_slerp(rows[case, name], rows[case, "slerp"]) for case in cases]
        means = [f"{np.mean([row[measure] for row in own]):.3f}" for measure in MEASURES]
        each = [f"{row['l2p']:.2f}" for row in own]
        lines.append(f"| {' | '.join([name, *means, *each])} |")
    return "\n".join(lines)


def over_slerp(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, float]:
    return {name: row[name] / base[name] if name in RELATIVE else row[name] for name in MEASURES}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="rows as JSON lines; what is there is kept")
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--correction", type=Path, help="weights of the correction of guesses")
    parser.add_argument("--only", nargs="*", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    cases = [case for case in read_suite(options.suite) if case.id in options.cases]
    for case in cases:
        measure(case, options.out, options.only, options.correction)
    say(table(options.out, [case.id for case in cases]))


if __name__ == "__main__":
    with limited_threads(1):
        main()
