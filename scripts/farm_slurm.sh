#!/bin/bash
# Slurm itself on this one machine, to try a farm of 20 shots: scripts/farm_slurm.sh up|run|down FOLDER
#
# Needs root and Debian's slurm-wlm and munge. 'up' starts munged, slurmctld and slurmd with a configuration and all state in
# FOLDER; 'run' submits 20 shots, requeues one that has ended a stage and cancels another; 'down' ends what 'up' has started.
set -euo pipefail
what=${1:?up, run or down}
folder=$(realpath -m "${2:?a folder}")
root=$(cd "$(dirname "$0")/.." && pwd)
anymole=${ANYMOLE:-$root/.venv/bin/anymole}
export SLURM_CONF=$folder/slurm.conf

up() {
  mkdir -p "$folder"/{state,spool,log}
  pgrep -x munged >/dev/null || { mkdir -p /run/munge && chown munge: /run/munge && su -s /bin/bash munge -c munged; }
  cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=30
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in $(seq 60); do sinfo -h -o %T 2>/dev/null | grep -q idle && { sinfo; return; }; sleep 1; done
  echo "the node did not register; see $folder/log" >&2
  exit 1
}

down() {
  # only what is in our folder: the id of each daemon is in the file that it wrote
  scancel --user root 2>/dev/null || true
  for pid in "$folder"/slurmd.pid "$folder"/slurmctld.pid; do [ -f "$pid" ] && kill "$(cat "$pid")" || true; done
}

# the ids of the tasks that are at work
working() { squeue -h -t RUNNING -o %i | sort -t_ -k2n; }

# the id of a task at work that has ended its stage 'fill' and is not done
half_done() {
  local id log
  for id in $(working); do
    log=$folder/filled/$(printf 'sh%02d' $((${id#*_} + 1)))/events.jsonl
    grep -qs '"StageFinished".*"fill"' "$log" && ! grep -q '"RunFinished"' "$log" && { echo "$id"; return; }
  done
}

run() {
  local shots=$folder/shots.toml out=$folder/filled
  "$anymole" demo "$folder/demo" --progress none >/dev/null
  { for n in $(seq -w 20); do
      printf '[[shot]]\nname = "sh%s"\nstage = "demo/boxer/shot.usda"\nseed = %d\ntakes = 3\n' "$n" "$((10#$n))"
    done; } >"$shots"
  time (
    # submit waits for the array; the node takes two of its tasks at a time
    "$anymole" submit "$shots" --to slurm --partition all --cpus 1 --memory 1 --timeout 30 --jobs 2 --out "$out" &
    submitted=$!
    for _ in $(seq 1200); do requeued=$(half_done || true); [ -n "$requeued" ] && break; sleep 0.1; done
    echo "requeue $requeued, whose stage fill has ended"
    scontrol requeue "$requeued"
    for _ in $(seq 600); do cancelled=$(working | grep -vx "$requeued" | tail -1 || true); [ -n "$cancelled" ] && break; sleep 0.1; done
    echo "cancel $cancelled"
    scancel --signal=TERM "$cancelled" && scancel "$cancelled"
    wait "$submitted" || true
    while [ -n "$(squeue -h)" ]; do sleep 2; done
  )
  "$anymole" submit --status --out "$out" || true
  # once more: what is done is not done again, the one that was cancelled goes on
  "$anymole" submit "$shots" --to slurm --partition all --cpus 1 --memory 1 --timeout 30 --jobs 2 --out "$out" || true
  while [ -n "$(squeue -h)" ]; do sleep 2; done
  "$anymole" submit --status --out "$out"
  "$root/.venv/bin/python" "$root/scripts/farm_count.py" "$out"
}

"$what"
