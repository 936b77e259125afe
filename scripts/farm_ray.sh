#!/bin/bash
# Ray with two nodes on this one machine, the second of which is killed in the middle: scripts/farm_ray.sh FOLDER [SHOTS]
#
# Needs pip install 'anymole[ray]'. All that is started has FOLDER in its command line and is ended by its id.
set -euo pipefail
folder=$(realpath -m "${1:?a folder}")
count=${2:-20}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
anymole=${ANYMOLE:-$root/.venv/bin/anymole}
ray=$(dirname "$python")/ray
export RAY_DISABLE_IMPORT_WARNING=1 RAY_USAGE_STATS_ENABLED=0
mkdir -p "$folder"

# the raylets of this folder, oldest first: each is a node, and takes its workers along
nodes() { pgrep -f "raylet/raylet .*$folder/ray" || true; }
# daemons that belong to the session in this folder
ours() { pgrep -f "$folder/ray" || true; }
end() { for pid in $(ours); do [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null || true; done; }
trap end EXIT

node=(--num-cpus 1 --memory 3000000000 --object-store-memory 100000000)
"$ray" start --head --node-ip-address 127.0.0.1 --port 6399 --temp-dir "$folder/ray" --include-dashboard false "${node[@]}" >/dev/null
"$ray" start --address 127.0.0.1:6399 --node-ip-address 127.0.0.1 "${node[@]}" >/dev/null
echo "nodes: $(nodes | wc -l)"
"$anymole" demo "$folder/demo" --progress none >/dev/null
{ for n in $(seq -w "$count"); do
    printf '[[shot]]\nname = "sh%s"\nstage = "demo/boxer/shot.usda"\nseed = %d\ntakes = 3\npreview = false\n' "$n" "$((10#$n))"
  done; } >"$folder/shots.toml"
time (
  "$anymole" submit "$folder/shots.toml" --to ray --address 127.0.0.1:6399 --cpus 1 --memory 1 --retries 2 --out "$folder/filled" &
  submitted=$!
  # after the first results, while both nodes are at work
  for _ in $(seq 240); do [ "$(ls "$folder"/filled/*/*_inbetween.usda 2>/dev/null | wc -l)" -ge 3 ] && break; sleep 1; done
  victim=$(nodes | tail -1)
  echo "kill node $victim"
  kill -9 "$victim"
  wait "$submitted"
)
"$anymole" submit --status --out "$folder/filled"
"$python" "$root/scripts/farm_count.py" "$folder/filled"
