#!/usr/bin/env bash
# usd-core 26.11: Stage.GetUsedLayers() lists the layers of one stage in an order that differs from process to process.
#
# Expected: the reference calls the answer "a vector of all of the layers currently consumed by this stage" and says
# nothing of its order; its sister GetLayerStack() gives the same layers "in strong-to-weak order". So one expects that
# order, or at least the same one for the same files, program and machine.
# Instead: it is not the order of strength, and where layers are opened on several threads it is another one from time to
# time. GetLayerStack() is the same each time.
# Output seen (Python 3.11, two cores; which orders, and how soon a second one, is chance):
#   GetLayerStack():  shot l0 l1 l2 l3 l4 l5 l6 l7 l8 l9 l10 l11 l12 l13 l14 l15
#   GetUsedLayers():  shot l15 l14 l13 l12 l11 l10 l9 l8 l7 l6 l5 l4 l3 l2 l1 l0
#   GetUsedLayers():  l11 l0 l12 l2 l15 l6 l1 l8 l3 l13 l10 l7 l14 shot l9 l5 l4
# For users: lists of files, manifests and checksums made of it in that order differ between runs on the same shot.
# Remedy: sort by identifier, or walk GetLayerStack() and the prim indices; with PXR_WORK_THREAD_LIMIT=1 it was stable.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11

cd "$folder"
names=$(seq -f '@./l%g.usda@' -s ', ' 0 15)
printf '#usda 1.0\n(\n    subLayers = [%s]\n)\n' "$names" > shot.usda
for number in $(seq 0 15); do
    printf '#usda 1.0\n' > "l$number.usda"
done
cat > list.py <<'PY'
import sys

from pxr import Usd

stage = Usd.Stage.Open("shot.usda")
layers = stage.GetLayerStack(False) if sys.argv[1] == "stack" else stage.GetUsedLayers()
print(*(layer.GetDisplayName().removesuffix(".usda") for layer in layers if not layer.anonymous))
PY

export PXR_WORK_THREAD_LIMIT=4 # several threads, however many cores there are
stack=$(env/bin/python list.py stack)
first=$(env/bin/python list.py used)
echo "GetLayerStack():  $stack"
echo "GetUsedLayers():  $first"
for _ in $(seq 60); do
    test "$(env/bin/python list.py stack)" = "$stack" || { echo "the layer stack is in another order"; exit 1; }
    used=$(env/bin/python list.py used)
    if [ "$used" != "$first" ]; then
        echo "GetUsedLayers():  $used"
        echo "As described: two processes list the layers of the same stage in two orders."
        exit 0
    fi
done
echo "the behaviour has changed: 61 processes gave one order"
exit 1
