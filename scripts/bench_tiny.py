"""How well the tiny video model fills gaps in pictures, against a cross-fade of the keys and both motion engines.

    python scripts/bench_tiny.py SUITE.toml [--cases cmu_02_05_1 ...] [--sheets DIR]

The truth is drawn from the front, the frames between the keys are hidden, generated and compared. Cameras frame the
whole truth for all methods alike. Pictures only: what the fit makes of them is measured elsewhere. Times are of the
processor, one thread.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from engine.evaluation.evaluate import SuiteCase, read_suite
from engine.files.images import to_picture, write_png
from engine.files.video import Video
from engine.geometry.resample import resample
from engine.planning.plan import Plan, make_plan
from engine.priors.catalogue import PRIORS
from engine.priors.fill import complete, split
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import View, orbit_views
from engine.settings.choices import VIEWS
from engine.video.adaptation.adapt import adapt
from engine.video.backends.context import strides_for
from engine.video.generate import GenerateSettings, generate
from engine.video.network.model import VideoModel
from engine.video.network.sample import SamplerSettings
from engine.video.tiny import ADAPT, IMAGE_SIZE, SAMPLER, load_tiny
from engine.video.windows import plan_windows
from usd_io.model import Character, Motion
from usd_io.read.stage import read_shot

CASES = ("cmu_02_05_1", "fair_zombie_1", "robot_dance", "horse_walk", "manta_ray_swim", "trex_idle")
RATE, COARSE_RATE = 15.0, 5.0
"""Of the fine and of the coarse video [frames/s]."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One case, ready to be drawn."""

    character: Character
    motion: Motion
    plan: Plan
    view_names: tuple[str, ...]
    views: tuple[View, ...]
    renderer: TorchRenderer

    def draw(self, motion: Motion, times: Sequence[float], view: int = 0) -> Tensor:
        """Pictures of a motion at times [s]: frame, 3, height, width."""
        at = np.array(times) * motion.time_codes_per_second
        actors = Actors((self.character,), (resample(motion, at),))
        parts = [
            self.renderer.render(actors.vertices(slice(i, i + 8)), self.views[view].cameras).rgb
            for i in range(0, len(at), 8)
        ]
        return torch.cat(parts).permute(0, 3, 1, 2).contiguous()

    def seconds(self, times: Sequence[float]) -> tuple[float, ...]:
        return tuple(t / self.motion.time_codes_per_second for t in times)


def no_texture(path: str) -> bytes:
    raise AssertionError(path)


def prepare(case: SuiteCase, size: tuple[int, int]) -> Shot:
    """Read a case and put cameras around its truth."""
    shot = read_shot(case.stage)
    character, motion = shot.characters[0], shot.motions[0]
    plan = make_plan(character, motion, contexts=case.context, keys=case.keys, fill_at_samples=True)
    used = (motion.times >= case.context[0][0]) & (motion.times <= max(case.keys))
    actors = Actors((character,), (motion.at(used),))
    views = orbit_views(actors, VIEWS, height=size[0], width=size[1], ground=False)
    renderer = TorchRenderer(build_surface((character,), no_texture, "canonical"), "canonical")
    return Shot(character, motion, plan, tuple(VIEWS), views, renderer)


def prior_motion(shot: Shot, prior: str) -> Motion:
    """The gaps filled by a motion prior."""
    plan, motion = shot.plan, shot.motion
    parts = split(motion, plan, lambda times: resample(motion, times))
    return complete(shot.character, parts, plan, PRIORS[prior](shot.character, parts.known, plan))


def psnr(made: Tensor, truth: Tensor) -> float:
    """Mean over frames of the peak signal-to-noise ratio [dB]."""
    errors = (made - truth).square().mean((1, 2, 3)).clamp_min(1e-6)
    return float((-10 * torch.log10(errors)).mean())


def ssim(made: Tensor, truth: Tensor, window: int = 7) -> float:
    """Mean structural similarity (Wang et al. 2004) with a flat window, over channels."""

    def mean(x: Tensor) -> Tensor:
        return avg_pool2d(x, window, 1)

    a, b = mean(made), mean(truth)
    spread_a, spread_b = mean(made**2) - a**2, mean(truth**2) - b**2
    both = mean(made * truth) - a * b
    c1, c2 = 0.01**2, 0.03**2
    values = (2 * a * b + c1) * (2 * both + c2) / ((a**2 + b**2 + c1) * (spread_a + spread_b + c2))
    return float(values.mean())


def fade(known: Video, times: Sequence[float]) -> Tensor:
    """Linear mixtures of neighbouring known pictures."""
    at = np.array(known.times)
    after = np.clip(np.searchsorted(at, times), 1, len(at) - 1)
    share = (np.array(times) - at[after - 1]) / (at[after] - at[after - 1])
    weight = torch.from_numpy(share).float().reshape(-1, 1, 1, 1)
    return torch.lerp(known.frames[after - 1], known.frames[after], weight)


class Tiny:
    """The tiny model on one shot."""

    def __init__(self, shot: Shot, sampler: SamplerSettings, adapt_steps: int, learning_rate: float) -> None:
        self.shot, self.sampler = shot, sampler
        self.adapt_steps, self.learning_rate = adapt_steps, learning_rate
        motion, plan = shot.motion, shot.plan
        start, end = plan.contexts[0]
        step = motion.frame_step
        self.context = shot.seconds((start + step * np.arange(int((end - start) / step + 1e-6) + 1)).tolist())
        times = sorted({*self.context, *shot.seconds(plan.keys)})
        self.true = Video(tuple(times), shot.draw(motion, times))
        a_second = motion.time_codes_per_second
        self.gaps = [(gap.start / a_second, gap.end / a_second) for gap in plan.gaps]

    def adapted(self) -> tuple[VideoModel, float, list[list[float]]]:
        """The model after ICAdapt, the processor time it took [s] and the held-out losses."""
        model, started = load_tiny(), time.process_time()
        views = [self.shot.draw(self.shot.motion, self.context, i) for i in range(len(self.shot.views))]
        rate = self.shot.motion.frame_rate
        settings = replace(
            ADAPT, strides=strides_for(rate), steps=self.adapt_steps, learning_rate=self.learning_rate
        )
        made = adapt(model, torch.stack(views), rate, "", settings, progress=Progress())
        return model, time.process_time() - started, made.provenance["held_out"]

    def fill(self, model: VideoModel, rate: float = RATE) -> Video:
        """The video that a model makes."""
        windows = plan_windows(self.gaps, self.true.times, rate)
        return generate(model, windows, self.true, "", GenerateSettings(self.sampler), progress=Progress())


def measure(case: SuiteCase, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """All methods on one case: PSNR and SSIM."""
    shot = prepare(case, tuple(options.size))
    sampler = replace(SAMPLER, steps=options.steps or SAMPLER.steps, eta=options.eta)
    tiny = Tiny(
        shot, sampler, options.adapt_steps or ADAPT.steps, options.learning_rate or ADAPT.learning_rate
    )
    videos: dict[str, Video] = {}
    model, adapting, losses = tiny.adapted()
    started = time.process_time()
    videos["tiny"] = tiny.fill(model)
    generating = time.process_time() - started
    say(f"{case.id}: adapting {adapting:.0f} s, generating {generating:.1f} s, held-out loss {losses}")
    videos["tiny, no ICAdapt"] = tiny.fill(load_tiny())
    videos["tiny, no fine stage"] = tiny.fill(model, COARSE_RATE)
    videos["tiny, neither"] = tiny.fill(load_tiny(), COARSE_RATE)
    times = [
        t for t in videos["tiny"].times if t not in tiny.true.times and any(a < t < b for a, b in tiny.gaps)
    ]
    truth = shot.draw(shot.motion, times)
    pictures = {name: fade(video, times) for name, video in videos.items()}
    pictures = {"cross-fade": fade(tiny.true, times), **pictures}
    for prior in ("slerp", "auto"):
        pictures[f"motion engine, {prior}"] = shot.draw(prior_motion(shot, prior), times)
    if options.sheets:
        chosen = np.linspace(0, len(times) - 1, 12).astype(int)
        rows = [torch.cat(list(p[chosen]), -1) for p in (truth, *pictures.values())]
        sheet = torch.cat(rows, -2).permute(1, 2, 0).numpy()
        write_png(options.sheets / f"{case.id}.png", to_picture(sheet))
    scores = {name: (psnr(p, truth), ssim(p, truth)) for name, p in pictures.items()}
    say("\n".join(f"    {name:22} {p:5.2f} dB  {s:.4f}" for name, (p, s) in scores.items()))
    return scores


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument(
        "--sheets", type=Path, help="folder for pictures of truth and all methods, row by row"
    )
    parser.add_argument("--size", type=int, nargs=2, default=IMAGE_SIZE, help="height and width [pixels]")
    parser.add_argument("--steps", type=int, default=0, help="of the sampler; 0: the model's own")
    parser.add_argument("--eta", type=float, default=SAMPLER.eta)
    parser.add_argument("--adapt-steps", type=int, default=0, help="0: the model's own")
    parser.add_argument(
        "--learning-rate", type=float, default=0.0, help="of the adaptation; 0: the model's own"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {c.id: measure(c, options) for c in read_suite(options.suite) if c.id in options.cases}
    for name in next(iter(results.values())):
        rows = [r[name] for r in results.values()]
        each = "  ".join(f"{p:5.2f} {s:.3f}" for p, s in rows)
        say(f"{name:22} {np.mean([p for p, _ in rows]):5.2f} dB {np.mean([s for _, s in rows]):.4f}   {each}")


if __name__ == "__main__":
    main()
