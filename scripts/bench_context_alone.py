"""What a network learns from the context of one shot alone, beside the shipped one that has seen many characters.

    python scripts/bench_context_alone.py SUITE.toml --cases cmu_02_05_1,horse_walk [--steps 300]

For each case a network of the shipped kind, but smaller, is trained from scratch on the context (as SinMDM trains on a
single motion), then fills the gaps. Prints L2P over slerp's; contacts are not held.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from engine.evaluation.evaluate import plans_of, read_suite
from engine.evaluation.rows import split_dense
from engine.geometry import metrics
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.catalogue import PRIORS
from engine.priors.fill import complete
from engine.priors.learned import predict
from engine.priors.learned.weights import Network
from engine.training.learned_prior.checkpoint import as_run
from engine.training.learned_prior.data import FRAME_RATE, Clip, make_clip
from engine.training.learned_prior.network import Shape
from engine.training.learned_prior.poses import make_rig
from engine.training.learned_prior.train import Sampler, Settings, Training
from usd_io.model import Character, Motion
from usd_io.read.stage import read_shot

SHAPE = Shape(width=96, blocks=3)


def context_clip(character: Character, known: Motion, plan: Plan) -> Clip:
    """The first context of a plan, at the frame rate of the corpus."""
    start, end = plan.contexts[0]
    times = np.arange(start, end, known.time_codes_per_second / FRAME_RATE)
    even = offsets.sample(known, times)
    rig = make_rig(character.parents)
    return make_clip("context", plan.skeleton_path, rig, even.rotations, even.translations)


def train(clip: Clip, settings: Settings) -> Network:
    """The averaged weights after all steps."""
    run, sampler = Training(settings, SHAPE), Sampler([clip], settings)
    while run.step < settings.steps:
        run.advance(run.draw(sampler, run.step))
    return as_run(run.averaged)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cases", required=True, help="ids, ID,ID,...")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = replace(
        Settings(), steps=arguments.steps, batch=16, warm_up=arguments.steps // 6, average=0.98
    )
    shipped = predict.shipped_network
    for case in read_suite(arguments.suite):
        if case.id not in arguments.cases.split(","):
            continue
        shot = read_shot(case.stage, (), meshes=False)
        character, truth, plan = plans_of(shot, case.context, case.keys, strict=True)[0]
        parts = split_dense(truth, plan)
        began = time.process_time()
        alone = train(context_clip(character, parts.known, plan), settings)
        took = time.process_time() - began
        errors = {}
        for name, network in (
            ("slerp", shipped),
            ("context", shipped),
            ("learned", shipped),
            ("alone", alone),
        ):
            predict.shipped_network = shipped if network is shipped else lambda network=network: network
            made = PRIORS["learned" if name == "alone" else name](character, parts.known, plan)
            errors[name] = metrics.score(character, truth, complete(character, parts, plan, made), plan).l2p
        row = "  ".join(f"{name} {error / errors['slerp']:.3f}" for name, error in errors.items())
        sys.stdout.write(f"{case.id}  {row}  trained in {took:.0f} s of CPU time\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
