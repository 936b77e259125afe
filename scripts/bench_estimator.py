"""Measure the joint estimator: ``python scripts/bench_estimator.py SUITE.toml [--cases ID,...] [--variants NAME,...]``.

Trained on context and keys of each case and tested on the hidden frames between the keys, drawn from the front. The
figures are in docs/measurements.md. Times are CPU times of one thread. Errors are means over frames and joints; the
baseline is slerp between the same keys. "pose z" is the depth within the frame, "common z" that of the whole character.
"""

import argparse
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine.evaluation.evaluate import SuiteCase, read_suite
from engine.joints.estimator import Estimator, estimate, presence
from engine.joints.settings import EstimatorSettings
from engine.planning.plan import make_plan
from engine.priors.baselines import slerp
from engine.priors.fill import complete, split
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.threads import limited_threads
from engine.rendering.views import View, joint_tracks, orbit_views, render_view
from engine.settings.choices import VIEWS
from engine.stages.estimate_joints import train_estimator
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import read_shot

CASES = "fox_survey,horse_walk,manta_ray_swim,robot_dance,woman_death,cmu_02_05_1"
HEIGHT, WIDTH = 320, 512
DEFAULT = EstimatorSettings()
VARIANTS = {
    "default": DEFAULT,
    "no random poses": replace(DEFAULT, random_poses=0),
    "front view only": replace(DEFAULT, other_views=0.0),
    "no key weighting": replace(DEFAULT, key_weight=1.0),
    "no augmentation": replace(DEFAULT, augmentation=False),
    "half the steps": replace(DEFAULT, steps=DEFAULT.steps // 2),
    "twice the steps": replace(DEFAULT, steps=2 * DEFAULT.steps),
}


@dataclass(frozen=True, eq=False)
class Scenario:
    """A case ready to train and test on: one character."""

    known: Actors
    renderer: TorchRenderer
    views: tuple[View, ...]
    keys: tuple[float, ...]
    gaps: tuple[tuple[float, float], ...]
    frames: Float[Tensor, "frame 3 height width"]
    truth: Float[np.ndarray, "frame joint 3"]
    slerp: Float[np.ndarray, "frame joint 3"]


def prepare(case: SuiteCase) -> Scenario:
    shot = read_shot(case.stage)
    character, motion = shot.characters[0], shot.motions[0]
    plan = make_plan(character, motion, contexts=case.context, keys=case.keys, fill_at_samples=True)
    parts = split(motion, plan, lambda times: motion.at(np.searchsorted(motion.times, times - 1e-6)))
    straight = complete(character, parts, plan, slerp(character, parts.known, plan))
    used = straight.at(np.isin(straight.times, [*parts.known.times, *plan.fill_times]))
    views = orbit_views(Actors([character], [used]), VIEWS, height=HEIGHT, width=WIDTH)
    renderer = TorchRenderer(build_surface([character], read_texture_bytes))
    camera = views[0].cameras
    pictures = np.stack(list(render_view(renderer, Actors([character], [parts.hidden]), views[0])))
    return Scenario(
        Actors([character], [parts.known]),
        renderer,
        views,
        plan.keys,
        tuple((gap.start, gap.end) for gap in plan.gaps),
        torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255,
        joint_tracks(character, parts.hidden, camera),
        joint_tracks(character, straight.at(np.isin(straight.times, plan.fill_times)), camera),
    )


def degraded(
    frames: Float[Tensor, "frame 3 height width"],
) -> dict[str, Float[Tensor, "frame 3 height width"]]:
    """What a video model might do to the pictures."""
    noise = 0.1 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    half = interpolate(avg_pool2d(frames, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    colour = frames.clamp_min(1e-4) ** 1.2 * torch.tensor([1.1, 0.95, 0.85])[:, None, None]
    return {
        "blur of 3 px": avg_pool2d(frames, 7, 1, 3, count_include_pad=False),
        "noise of 0.1": (frames + noise).clamp(0, 1),
        "half resolution": half,
        "colour shift": colour.clamp(0, 1),
    }


def strange(scenario: Scenario) -> dict[str, Float[Tensor, "frame 3 height width"]]:
    """Pictures that do not show the character as it moves."""
    few = scenario.frames[::4]
    backdrop = scenario.views[0].backdrop
    assert backdrop is not None
    return {
        "upside down": few.flip(2),
        "mirrored": few.flip(3),
        "noise": torch.rand(few.shape, generator=torch.Generator().manual_seed(2)),
        "empty": backdrop.rgb[:1].permute(0, 3, 1, 2),
    }


def score(name: str, scenario: Scenario, estimator: Estimator, frames: Tensor) -> dict[str, float]:
    camera = scenario.views[0].cameras
    found = estimate(estimator, frames, camera)[0]
    seen, height = found.seen, estimator.scene.height
    tall = float(height * camera.focal.mean() / estimator.scene.reference_depth(camera)[0])
    place = (found.xy - scenario.truth[..., :2])[:, seen]
    depth = (found.depth - scenario.truth[..., 2])[:, seen]
    base = (scenario.slerp - scenario.truth)[:, seen]
    beyond = np.abs(depth) / found.depth_sigma[:, seen]
    xy, slerp_xy = np.linalg.norm(place, axis=-1).mean(), np.linalg.norm(base[..., :2], axis=-1).mean()
    base_z = base[..., 2]
    per_axis = np.abs(place) / found.xy_sigma[:, seen, None]

    def parts(error: Float[np.ndarray, "frame joint"]) -> tuple[float, ...]:
        """Mean error, that within the frame, and that of the frame [percent of the height]."""
        common = error.mean(1, keepdims=True)
        return tuple(100 * float(np.abs(part).mean()) / height for part in (error, error - common, common))

    names = ("z%", "pose z%", "common z%")
    result = {
        "xy": xy,
        "xy%": 100 * xy / tall,
        "slerp xy%": 100 * slerp_xy / tall,
        **dict(zip(names, parts(depth), strict=True)),
        **{"slerp " + name: value for name, value in zip(names, parts(base_z), strict=True)},
        "xy<1s": (per_axis < 1).mean(),
        "xy<2s": (per_axis < 2).mean(),
        "z<1s": (beyond < 1).mean(),
        "z<2s": (beyond < 2).mean(),
        "present": presence(estimator, frames, camera).mean(),
    }
    say(f"  {name:18s} " + "  ".join(f"{k} {v:6.2f}" for k, v in result.items()))
    return result


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--variants", default="default", help=f"all, or some of: {', '.join(VARIANTS)}")
    parser.add_argument("--degraded", action="store_true", help="test on degraded pictures as well")
    parser.add_argument("--strange", help="test the presence of the characters of these cases as well")
    options = parser.parse_args()
    wanted = list(VARIANTS) if options.variants == "all" else options.variants.split(",")
    cases = {case.id: case for case in read_suite(options.suite)}
    for name in options.cases.split(","):
        scenario = prepare(cases[name])
        say(f"{name}: {len(scenario.frames)} hidden frames, {len(scenario.known.motions[0].times)} known")
        for variant in wanted:
            started = time.process_time()
            estimator = train_estimator(
                scenario.known,
                scenario.renderer,
                scenario.views,
                keys=scenario.keys,
                gaps=scenario.gaps,
                settings=VARIANTS[variant],
                progress=Progress(),
            )
            seconds = time.process_time() - started
            score(variant, scenario, estimator, scenario.frames)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            say(f"    trained in {seconds:.0f} s of CPU, peak memory so far {peak:.0f} MB")
            if options.degraded:
                for kind, frames in degraded(scenario.frames).items():
                    score(kind, scenario, estimator, frames)
            if options.strange:
                others = {other: prepare(cases[other]).frames[::4] for other in options.strange.split(",")}
                for kind, frames in (strange(scenario) | others).items():
                    found = presence(estimator, frames, scenario.views[0].cameras)
                    say(f"  {kind:18s} present {found.mean():.2f}, {found.min():.2f} to {found.max():.2f}")


if __name__ == "__main__":
    with limited_threads(1):
        main()
