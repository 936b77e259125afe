"""Average weights of the learned prior: those that a training began from and those that it came to.

python scripts/average_weights.py WEIGHTS WEIGHTS ... --out FILE
"""

import argparse
from pathlib import Path

from engine.training.learned_prior.checkpoint import average_weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    average_weights(arguments.weights, arguments.out)


if __name__ == "__main__":
    main()
