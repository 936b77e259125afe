#!/usr/bin/env bash
# usd-core 26.11: an array edit over time samples gives NaN before the first of them.
#
# Expected: a stronger array edit is composed with the value that the weaker layer gives at each time. Before its first
# sample that is the first sample, held, as everywhere else in USD and as behind the last one.
# Instead: before the first sample all elements are NaN, those that the edit leaves alone and those that it writes. At the
# samples, between and behind them all is as expected. Held interpolation does the same; an edit that is written as time samples
# of its own, {1: edit ..., 9: edit ...}, is composed as expected at every time.
# Output seen (Python 3.11):
#   weaker layer alone: 0: [1, 2]  1: [1, 2]  5: [3, 4]  9: [5, 6]  20: [5, 6]
#   with the edit:      0: [nan, nan]  1: [1, 7]  5: [3, 7]  9: [5, 7]  20: [5, 7]
#   edit as samples:    0: [1, 7]  1: [1, 7]  5: [3, 7]  9: [5, 7]  20: [5, 7]
# For users: a character whose joint is moved by an array edit disappears, or is drawn as rubbish, before its animation begins.
# Remedy: write the edit as time samples, or set a sample of the weaker layer at or before the first time that is shown.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11
cd "$folder"
cat >weak.usda <<'USDA'
#usda 1.0
def "P" {
    float[] a.timeSamples = { 1: [1, 2], 9: [5, 6] }
}
USDA
cat >strong.usda <<'USDA'
#usda 1.0
(
    subLayers = [@./weak.usda@]
)
over "P" {
    float[] a = edit [write 7 to [1]]
}
USDA
cat >sampled.usda <<'USDA'
#usda 1.0
(
    subLayers = [@./weak.usda@]
)
over "P" {
    float[] a.timeSamples = { 1: edit [write 7 to [1]], 9: edit [write 7 to [1]] }
}
USDA
"$folder/env/bin/python" - <<'PY'
import math

from pxr import Usd

TIMES = (0, 1, 5, 9, 20)


def values(file):
    stage = Usd.Stage.Open(file)
    return {time: list(stage.GetAttributeAtPath("/P.a").Get(time)) for time in TIMES}


def told(found):
    return "  ".join(f"{time}: [{', '.join(f'{v:g}' for v in each)}]" for time, each in found.items())


weak, edited, sampled = values("weak.usda"), values("strong.usda"), values("sampled.usda")
print("weaker layer alone:", told(weak))
print("with the edit:     ", told(edited))
print("edit as samples:   ", told(sampled))
right = {0: [1, 7], 1: [1, 7], 5: [3, 7], 9: [5, 7], 20: [5, 7]}
assert weak == {0: [1, 2], 1: [1, 2], 5: [3, 4], 9: [5, 6], 20: [5, 6]}, weak
assert sampled == right, sampled
assert {time: edited[time] for time in TIMES[1:]} == {time: right[time] for time in TIMES[1:]}, edited
assert all(map(math.isnan, edited[0])), "the behaviour has changed"
PY
echo "As described: NaN before the first sample."
