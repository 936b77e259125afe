#!/bin/bash
# Open Job Description's own runner on six shots, one of which fails: scripts/farm_openjd.sh FOLDER [CHUNK]
#
# Needs pip install 'anymole[farm]'. The shot whose source is missing must fail alone, its chunk must be done but for it, and
# it must go through once it is there.
set -euo pipefail
folder=$(realpath -m "${1:?a folder}")
chunk=${2:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
anymole=${ANYMOLE:-$root/.venv/bin/anymole}
openjd=$(dirname "$python")/openjd

"$anymole" demo "$folder/demo" --progress none >/dev/null
cp -r "$folder/demo/boxer" "$folder/demo/late"
{ for n in 1 2 3 4 5 6; do
    from=boxer; [ "$n" = 4 ] && from=late
    printf '[[shot]]\nname = "sh0%d"\nstage = "demo/%s/shot.usda"\nseed = %d\npreview = false\n' "$n" "$from" "$n"
  done; } >"$folder/shots.toml"
"$anymole" submit "$folder/shots.toml" --to openjd --chunk "$chunk" --out "$folder/filled"
mv "$folder/demo/late/boxer.usdc" "$folder/demo/late/boxer.away"
run() { "$openjd" run "$folder/filled/template.json" --step InBetween -p Anymole="$anymole" >"$folder/openjd_$1.log" 2>&1; }
run first && { echo "the broken shot did not fail"; exit 1; } || echo "the job failed, as it must: exit code $?"
"$anymole" submit --status --out "$folder/filled" || true
mv "$folder/demo/late/boxer.away" "$folder/demo/late/boxer.usdc"
run second
"$anymole" submit --status --out "$folder/filled"
"$python" "$root/scripts/farm_count.py" "$folder/filled"
