#!/usr/bin/env bash
# transformers 5.24.0: naming one model class imports the losses of object detectors, and scipy with them.
#
# Expected: transformers imports lazily; Dinov2WithRegistersModel, an image encoder without any loss, needs torch alone.
# Instead: its module imports transformers.modeling_utils, which imports every loss for every kind of head; that of object
# detection imports scipy.optimize where scipy is installed, and distributed tensors and checkpoints come along.
# Output seen (Python 3.11, processor build of torch 2.13.0):
#   with scipy:    scipy.optimize True, transformers.loss.loss_d_fine True, torch.distributed.tensor True
# It took 2.2 s of processor time after 'import torch', which itself takes 1.3.
# For users: tools that name such a class at the top of a module make every command wait, also those that load no model.
# Remedy: import model classes in the function that builds the model.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet torch==2.13.0 transformers==5.24.0 scipy==1.17.1
cat > name_a_model.py <<'PY'
import sys

import torch

assert "scipy" not in sys.modules, torch
from transformers import Dinov2WithRegistersModel

assert Dinov2WithRegistersModel
names = ("scipy.optimize", "transformers.loss.loss_d_fine", "torch.distributed.tensor")
print(f"with scipy:    {', '.join(f'{name} {name in sys.modules}' for name in names)}")
PY
env/bin/python name_a_model.py | tee seen

diff seen - <<'SEEN'
with scipy:    scipy.optimize True, transformers.loss.loss_d_fine True, torch.distributed.tensor True
SEEN
