#!/bin/bash
# Train the learned prior for some minutes on one data-centre GPU, or on a CPU to try the script; with "tiny" in front
# the correction of drawn guesses (docs/tiny.md).
#
#   scripts/train_on_gpu.sh CORPUS OUT [MINUTES] [DEVICE] [WEIGHTS or RUN] [further arguments of the training]
#   scripts/train_on_gpu.sh tiny CORPUS OUT [MINUTES] [DEVICE] [further arguments of the training]
#
# CORPUS   folder of the motion corpus (.npz)
# OUT      folder that gets learned.safetensors (averaged weights, to be shipped), clips.txt, log.jsonl and
#          state.safetensors (to go on from: give the folder as RUN)
# MINUTES  of training, 8 by default; reading the corpus and the first batches take about one more
# DEVICE   cuda (default) or cpu
# WEIGHTS  to begin from, by default those of the package; or a folder of an earlier run to go on from
#
# The learned prior needs python3 with torch, numpy, safetensors and jaxtyping, no USD and no installed package of this
# project. The correction draws its pictures on the processor first (300 clips: about two minutes), needs numba besides,
# and goes on from what lies in OUT.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$1" = tiny ]; then
    corpus=$2 out=$3 minutes=${4:-8} device=${5:-cuda}
    shift $(($# < 5 ? $# : 5))
    size=(--batch 24)
    if [ "$device" = cuda ]; then
        size=(--batch 256 --learning-rate 2e-3 --threads 4)
    fi
    PYTHONPATH=$PWD PYTHONUNBUFFERED=1 python3 -m engine.training.tiny_video.correct --corpus "$corpus" --out "$out" \
        --minutes "$minutes" --by-time --steps 1000000 --clips 300 --device "$device" --resume "${size[@]}" "$@"
    exit
fi
corpus=$1 out=$2 minutes=${3:-8} device=${4:-cuda} start=${5:-engine/priors/learned/shipped/learned.safetensors}
shift $(($# < 5 ? $# : 5))
mkdir -p "$out"
begin=(--from "$start")
if [ -d "$start" ]; then
    cp "$start/state.safetensors" "$out/"
    begin=(--resume --restart)
fi
if [ "$device" = cuda ]; then
    # 64 gaps with 6e-4 suit one core; the larger batch is less noisy and takes a higher rate
    size=(--batch 1536 --rate 1.6e-3 --copies 4 --threads 4)
else
    size=(--batch 64 --rate 6e-4)
fi
PYTHONPATH=$PWD PYTHONUNBUFFERED=1 python3 -m engine.training.learned_prior.train --corpus "$corpus" --out "$out" \
    --minutes "$minutes" --by-time --steps 1000000 --device "$device" "${begin[@]}" "${size[@]}" "$@"
