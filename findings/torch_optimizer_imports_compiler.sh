#!/usr/bin/env bash
# torch 2.13.0: making a plain optimizer imports the compiler, and sympy with it.
#
# Expected: torch.optim.AdamW(parameters), of a program that compiles nothing, costs next to nothing.
# Instead: the first optimizer that is made imports torch._dynamo, which brings sympy, torch.distributed.tensor and some 800
# modules in all; the decorator of Optimizer.add_param_group and others is resolved when it is first called, compiling or not.
# Output seen (Python 3.11, processor build):
#   before: torch._dynamo False, sympy False
#   after:  torch._dynamo True, sympy True, more than 500 modules: True
# It took 0.6 to 0.9 s of processor time, as much again as half of 'import torch'.
# For users: tools that train something small, in seconds, wait for a compiler that they do not use.
# Remedy: none that is public; count it among the costs of the first step, and make optimizers only where they are needed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet torch==2.13.0 numpy==2.2.6
cat > optimizer.py <<'PY'
import sys

import torch

network = torch.nn.Linear(4, 4)
before = len(sys.modules)
print(f"before: torch._dynamo {'torch._dynamo' in sys.modules}, sympy {'sympy' in sys.modules}")
torch.optim.AdamW(network.parameters())
more = len(sys.modules) - before
print(f"after:  torch._dynamo {'torch._dynamo' in sys.modules}, sympy {'sympy' in sys.modules}, more than 500 modules: {more > 500}")
PY
env/bin/python optimizer.py | tee seen

diff seen - <<'SEEN'
before: torch._dynamo False, sympy False
after:  torch._dynamo True, sympy True, more than 500 modules: True
SEEN
