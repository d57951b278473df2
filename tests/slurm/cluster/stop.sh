#!/bin/bash
# Stops the cluster of SLURM_TEST_DIR and removes its folder: only processes that its own pid files name, and those of
# its own jobs.
#   stop.sh            at once
#   stop.sh --keep     keeps the folder, with jobs and database, for the next start.sh
#   stop.sh --after P  once process P has ended; start.sh leaves this behind when it is told an owner
set -uo pipefail # not -e: whatever goes wrong with one process, the others have to be stopped as well

D=${SLURM_TEST_DIR:-/tmp/phasebench-slurm}
for name in "${!SLURM_@}"; do unset "$name"; done
export PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF=$D/etc/slurm.conf

# A zombie is gone as well: whoever should reap it may be late.
gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }

if [ "${1:-}" = --after ]; then
  until gone "$2"; do sleep 1; done
fi
[ -d "$D/run" ] || exit 0
exec 9>"$D/run/lock"
flock 9

pid_of() { # pidfile name: the process id, where such a process lives
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] &&
    ! gone "$pid" && echo "$pid"
}

stop() { # pidfile name seconds
  local pid end=$((SECONDS + $3))
  if pid=$(pid_of "$1" "$2"); then
    kill "$pid" 2>/dev/null
    until gone "$pid"; do
      if [ $SECONDS -ge $end ]; then
        echo "[slurm-test] $2 ($pid) did not stop: SIGKILL" >&2
        kill -KILL "$pid" 2>/dev/null
        break
      fi
      sleep 0.05
    done
  fi
  rm -f "$1"
}

job_processes() { # processes with our SLURM_CONF and a job id in their environment
  local file
  grep -lzxF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
    if grep -qz '^SLURM_JOB_ID=' "$file" 2>/dev/null; then file=${file#/proc/} && echo "${file%/environ}"; fi
  done
}

step_daemons() { # the slurmstepd's that listen in our spool folder; they outlive slurmd
  local socket pid
  for socket in "$D"/spool/*/*_*.*; do
    [ -S "$socket" ] || continue
    ss -Hlxp | grep -F " $socket " | grep -oE 'pid=[0-9]+' | cut -d= -f2 | sort -u | while read -r pid; do
      if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = slurmstepd ]; then echo "$pid"; fi
    done
  done
}

# Its `sleep` is in its process group. When it is this very process, its owner is gone.
if watch=$(pid_of "$D/run/watch.pid" stop.sh) && [ "$watch" != $$ ]; then kill -KILL -- "-$watch" 2>/dev/null; fi

# ---- jobs -----------------------------------------------------------------------------------------------------------
jobs_left() { [ -n "$(timeout 5 squeue -h -t PD,R,CG,CF,S -o %A 2>/dev/null)" ]; }
if pid_of "$D/run/slurmctld.pid" slurmctld >/dev/null && jobs_left; then
  timeout 10 scancel --user="$(id -un)" 2>/dev/null
  for _ in {1..15}; do
    jobs_left || break
    sleep 0.1
  done
fi
# What ignored that, and what a killed slurmstepd left behind.
for pid in $(job_processes); do kill -KILL "$pid" 2>/dev/null; done
for _ in {1..20}; do
  [ -n "$(step_daemons)" ] || break
  sleep 0.1
done
for pid in $(step_daemons); do kill -KILL "$pid" 2>/dev/null; done

# ---- daemons --------------------------------------------------------------------------------------------------------
for file in "$D"/run/slurmd-*.pid; do
  if [ -f "$file" ]; then stop "$file" slurmd 10; fi
done
stop "$D/run/slurmctld.pid" slurmctld 15
stop "$D/run/slurmdbd.pid" slurmdbd 15
stop "$D/run/mariadbd.pid" mariadbd 30
stop "$D/run/munged.pid" munged 10
if [ "${1:-}" != --keep ]; then
  rm -rf "$D"/{etc,run,log,state,spool,munge,bin,mysql,env.sh}
  rmdir "$D" 2>/dev/null # anything else in it is not ours
fi
echo "[slurm-test] stopped"
