"""Seconds and memory of the learned prior, and how they grow with joints and gaps.

    python scripts/bench_learned.py [--joints 15,30,60,120,240]

Each number of joints runs in a process of its own, so that its peak memory is its own. Seconds are CPU seconds of one
thread: a gap of one second at 30 frames/s after two seconds of context, the best of three.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np


def measure(joints: int) -> dict[str, float]:
    """In this process: importing torch, loading the network, one gap and ten."""
    from engine.planning.plan import make_plan
    from engine.training.learned_prior.cases import as_shot
    from engine.training.learned_prior.data import make_clip
    from engine.training.learned_prior.poses import make_rig

    began = time.process_time()
    import torch

    torch.set_num_threads(1)
    torch_s, torch_mb = time.process_time() - began, peak_mb()
    from engine.priors.learned.predict import shipped_network
    from engine.priors.learned.prior import learned

    began = time.process_time()
    shipped_network()
    figures = {"joints": joints, "torch [s]": torch_s, "torch [MB]": torch_mb}
    figures["load [s]"] = time.process_time() - began
    parents = [(i - 1) // 2 for i in range(joints)]
    turns = 0.3 * np.sin(0.2 * np.arange(361)[:, None] + np.arange(joints))
    rotations = np.stack([np.cos(turns / 2), 0 * turns, 0 * turns, np.sin(turns / 2)], -1)
    offsets = np.tile(np.array([0, 1.0, 0]), (361, joints, 1))
    character, motion = as_shot(make_clip("bench", "bench", make_rig([-1, *parents[1:]]), rotations, offsets))
    for gaps in (1, 10):
        keys = [60 + 30 * k for k in range(gaps + 1)]
        plan = make_plan(character, motion, contexts=[(0, 60)], keys=keys, fill_at_samples=True)
        known, seconds = motion.at(plan.known(motion.times)), []
        for _ in range(3):
            began = time.process_time()
            learned(character, known, plan)
            seconds.append(time.process_time() - began)
        figures[f"{gaps} gaps [s]"] = min(seconds)
    return figures | {"peak [MB]": peak_mb()}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--joints", default="15,30,60,120,240")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        sys.stdout.write(json.dumps(measure(arguments.one)) + "\n")
        return
    for joints in arguments.joints.split(","):
        command = [sys.executable, __file__, "--one", joints]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        sys.stdout.write("  ".join(f"{name} {value:.4g}" for name, value in row.items()) + "\n")


if __name__ == "__main__":
    main()
