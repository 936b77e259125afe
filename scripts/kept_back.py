"""A suite of cases that nothing was chosen on: no training, share of auto or other constant has seen them.

    python scripts/kept_back.py ASSETS [--gap 2] > kept_back.toml
    python scripts/bench_motion.py kept_back.toml --priors slerp,spline,context,learned,auto

ASSETS is the folder of the test assets. By hand: every clip of the characters of the public suite that the suite does
not use, and of two more characters. Motion capture: other places of the suite's takes, with gaps where the suite has
context or nothing. Training leaves all of these characters and takes out (engine/training/learned_prior/data.py).
Each case has up to 2 s of context, then up to three gaps of a second (half a second in clips below 3 s), as in the
suite; with ``--gap 2`` motion capture alone, one gap of 2 s.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from usd_io.read.stage import read_shot

BY_HAND = {
    "eagle": ("flying",),
    "fox": ("run", "walk"),
    "horse": ("death", "jump", "run"),
    "robot": ("death", "jump", "no", "punch", "running", "thumbsup", "walking", "walkjump", "wave", "yes"),
    "snake": ("attack", "jump", "walk"),
    "trex": ("attack", "death", "jump", "run", "walk"),
    "woman": ("clapping", "jump", "punch", "run", "runningjump", "swordslash", "walk"),
}
"""Clips of characters of the suite that are not in it."""
OTHERS = ("more/jellyfish/jellyfish_swim.usda", "native/usdwg/CesiumMan.usdz")
TAKES = {
    "cmu_02_05": (156, 313),
    "cmu_05_02": (160,),
    "cmu_05_18": (210, 307),
    "cmu_06_12": (155,),
    "fair_dab": (188,),
    "fair_wave_hello": (119,),
    "fair_zombie": (210, 314, 524, 628),
    "rokoko_jesse_dance": (506,),
}
"""Motion capture: frames at which the gaps begin; two seconds later the suite's own gaps begin again, if any."""
CONTEXT_S, SHORT_S = 2.0, 3.0
MOST_GAPS = 3


def cases(assets: Path, gap: float) -> Iterator[tuple[str, Path, tuple[float, float], list[float]]]:
    """Name, stage, context and keys [time codes]."""
    if gap <= 1:
        stages = [path for who, clips in BY_HAND.items() for path in _clips(assets / who, clips)]
        for stage in (*stages, *(assets / other for other in OTHERS)):
            found = _by_hand(stage, gap)
            if found is not None:
                yield stage.stem, stage, *found
    for take, starts in TAKES.items():
        file = assets / "mocap" / f"{take}.usdc"
        rate = read_shot(str(file), (), meshes=False).motions[0].time_codes_per_second
        second = round(rate)
        for number, start in enumerate(starts, 1):
            keys = [float(start + i * round(gap * second)) for i in range(round(CONTEXT_S / gap) + 1)]
            yield f"{take}_between_{number}", file, (start - CONTEXT_S * second, float(start)), keys


def _clips(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Stages of a character by the last word of their names."""
    return [
        path for path in sorted(folder.glob(f"{folder.name}_*.usda")) if path.stem.split("_")[-1] in names
    ]


def _by_hand(stage: Path, gap: float) -> tuple[tuple[float, float], list[float]] | None:
    """The end of a clip: up to three gaps, and up to 2 s before them; None if it is too short for one."""
    motion = read_shot(str(stage), (), meshes=False).motions[0]
    first, last, rate = motion.times[0], motion.times[-1], motion.time_codes_per_second
    length = round((gap if last - first >= SHORT_S * rate else gap / 2) * rate)
    gaps = min(MOST_GAPS, int((last - first - length // 2) // length))
    if gaps < 1:
        return None
    keys = [float(last - i * length) for i in range(gaps, -1, -1)]
    return (float(max(first, keys[0] - CONTEXT_S * rate)), keys[0]), keys


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("assets", type=Path)
    parser.add_argument("--gap", type=float, choices=(1, 2), default=1, help="length of the gaps [s]")
    args = parser.parse_args()
    for name, stage, context, keys in cases(args.assets.resolve(), args.gap):
        sys.stdout.write(f"[[case]]\nid = {json.dumps(name)}\nstage = {json.dumps(str(stage))}\n")
        sys.stdout.write(f"context = {json.dumps(context)}\nkeys = {json.dumps(keys)}\n\n")


if __name__ == "__main__":
    main()
