#!/bin/bash
# Measure the video engine on one data-centre GPU within ten minutes, with random weights and no network:
#
#   scripts/bench_gpu.sh            # ends in a table for docs/measurements.md
#   scripts/bench_gpu.sh --small    # tiny networks on any processor, to try the script
#
# Needs python3 with this project's packages (PYTHON names another one). A part that fails ends it with the rows that
# were measured before; the exit code is 1 where something is not finite or not the same.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
exec timeout 600 "$python" scripts/bench_gpu_random.py "$@"
