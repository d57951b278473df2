#!/bin/bash
# Starts a private SLURM cluster on this machine for the tests, or what is missing of a running one.
#
# Everything lives in one folder and listens on the loopback interface only: an own munge key, own ports, several
# slurmd's that each pretend to be a node. No systemd, no cgroups, nothing below /etc; root is not needed.
#
#   SLURM_TEST_DIR        where everything lives (default /tmp/phasebench-slurm; at most 60 characters)
#   SLURM_TEST_ACCT       what sacct answers from: none (it fails) or dbd (slurmdbd and a private mariadbd)
#   SLURM_TEST_PORT       first of the TCP ports taken (default 17000): slurmdbd, slurmctld, then one per node
#   SLURM_TEST_NODES      number of nodes (default 2): n1, n2, ... of 16 CPUs and 2 GPUs each
#   SLURM_TEST_OWNER      process id; once that process has ended, the cluster is stopped and its folder removed
#   SLURM_TEST_PREEMPT_USER_SIGNAL  1 (default) or 0: whether a job about to be preempted gets its own --signal
#   SLURM_TEST_MAX_ARRAY_SIZE       MaxArraySize (default 1001)
#   SLURM_TEST_MIN_JOB_AGE          for how many seconds squeue remembers finished jobs (default 86400)
#   SLURM_TEST_CONF_EXTRA           further lines for slurm.conf, of settings that are not in it yet
#
# Afterwards `. "$SLURM_TEST_DIR/env.sh"` makes sbatch, squeue, ... speak to the cluster; stop.sh ends it.
# The packages have to be there already: install.sh installs them.
set -euo pipefail

D=${SLURM_TEST_DIR:-/tmp/phasebench-slurm}
ACCOUNTING=${SLURM_TEST_ACCT:-none}
PORT=${SLURM_TEST_PORT:-17000}
NODES=${SLURM_TEST_NODES:-2}
OWNER=${SLURM_TEST_OWNER:-}
PREEMPT_USER_SIGNAL=${SLURM_TEST_PREEMPT_USER_SIGNAL:-1}
MAX_ARRAY_SIZE=${SLURM_TEST_MAX_ARRAY_SIZE:-1001}
MIN_JOB_AGE=${SLURM_TEST_MIN_JOB_AGE:-86400}
CONF_EXTRA=${SLURM_TEST_CONF_EXTRA:-}
HERE=$(dirname "$(readlink -f "$0")")
# A daemon that believes to be part of some other job or cluster would confuse its own jobs.
for name in "${!SLURM_@}"; do unset "$name"; done
export PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF=$D/etc/slurm.conf

say() { printf '[slurm-test] %s\n' "$*"; }

die() {
  say "FAILED: $*" >&2
  local log
  for log in "$D"/log/*.log "$D"/munge/*.log; do
    if [ -s "$log" ]; then { echo "== $log"; tail -5 "$log"; } >&2; fi
  done
  exit 1
}

alive() { # pidfile name: whether that process lives; a zombie does not
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] &&
    ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null
}

until_ok() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

launch() { # command...: a daemon that must hold neither our lock nor our output
  "$@" </dev/null >>"$D/log/launch.log" 2>&1 9>&- || die "$1"
}

taken() { ss -Hltn "sport = :$1" | grep -q .; }
need_port() { if taken "$1"; then die "port $1 is taken"; fi; }

case $ACCOUNTING in none | dbd) ;; *) die "SLURM_TEST_ACCT is none or dbd, not $ACCOUNTING" ;; esac
programs=(munged slurmctld slurmd sbatch ss)
if [ "$ACCOUNTING" = dbd ]; then programs+=(slurmdbd mariadbd); fi
for program in "${programs[@]}"; do
  command -v "$program" >/dev/null || die "$program is not installed: run install.sh as root"
done

# ---- folders and key ------------------------------------------------------------------------------------------------
[ ${#D} -le 60 ] || die "SLURM_TEST_DIR is too long for unix sockets: $D"
umask 022
mkdir -p "$D"/{etc,run,log,state,spool,munge,bin}
chmod 755 "$D" "$D"/run
chmod 700 "$D"/munge "$D"/state
exec 9>"$D/run/lock"
flock 9
if [ ! -s "$D/munge/munge.key" ]; then
  (umask 077 && head -c 128 /dev/urandom >"$D/munge/munge.key")
fi
# With fresh clusters all starting at job 1, files that are named by job id would be taken for an earlier job's.
[ -s "$D/state/first_job_id" ] || echo $(($(date +%s) % 60000000 + 1000)) >"$D/state/first_job_id"

# ---- configuration --------------------------------------------------------------------------------------------------
USER_NAME=$(id -un)
ADDRESS=127.0.0.1
# With No*InAddrAny the daemons and srun bind to the address of gethostname(). It must be 127.0.0.1 exactly: with Debian's
# usual 127.0.1.1, srun would listen there and be called back on 127.0.0.1.
LISTEN=
if [ "$(getent ahostsv4 "$(uname -n)" | awk 'NR == 1 {print $1}')" = $ADDRESS ]; then
  LISTEN=CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
else
  say "$(uname -n) is not $ADDRESS in /etc/hosts, so the daemons listen on all addresses (munge still guards them)"
fi

PREEMPT_SETTING=
if [ "$PREEMPT_USER_SIGNAL" = 1 ]; then PREEMPT_SETTING=SlurmctldParameters=preempt_send_user_signal; fi

ACCOUNTING_SETTINGS=AccountingStorageType=accounting_storage/none
if [ "$ACCOUNTING" = dbd ]; then
  # AuthInfo is not used for this connection: the password is where it takes the munge socket from.
  ACCOUNTING_SETTINGS="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$ADDRESS
AccountingStoragePort=$PORT
AccountingStoragePass=$D/run/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment"
fi

NODE_LINES=
for ((i = 1; i <= NODES; i++)); do
  mkdir -p "$D/spool/n$i"
  NODE_LINES+="NodeName=n$i NodeHostname=localhost NodeAddr=$ADDRESS Port=$((PORT + 1 + i))"
  NODE_LINES+=" CPUs=16 RealMemory=16000 Gres=gpu:2 State=UNKNOWN"$'\n'
done

cat >"$D/etc/slurm.conf.new" <<CONF
ClusterName=itest
SlurmctldHost=localhost($ADDRESS)
SlurmctldPort=$((PORT + 1))
SlurmUser=$USER_NAME
SlurmdUser=$USER_NAME
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued job waits before it starts again (default 120 s, at least 5 s)
AuthInfo=socket=$D/run/munge.socket,cred_expire=5
$LISTEN
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd-%n.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# memory use is read from /proc every 2 s, and a step over its --mem is killed
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# believe the CPUs and the memory written here, not the hardware
SlurmdParameters=config_overrides
# a node that was lost is used again as soon as its slurmd is back
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
MessageTimeout=10
KillWait=3
MinJobAge=$MIN_JOB_AGE
MaxJobCount=20000
FirstJobId=$(cat "$D/state/first_job_id")
MaxArraySize=$MAX_ARRAY_SIZE
JobRequeue=1
MailProg=/bin/true
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$PREEMPT_SETTING
$ACCOUNTING_SETTINGS
$CONF_EXTRA
$NODE_LINES
PartitionName=DEFAULT Nodes=ALL DefaultTime=5 MaxTime=UNLIMITED DefMemPerCPU=100 State=UP PriorityTier=1 PreemptMode=OFF
PartitionName=cpu Default=YES MaxTime=1-00:00:00
PartitionName=gpu MaxTime=2-00:00:00
# a job of high takes the place of jobs of low; these have GraceTime seconds from the first signal on
PartitionName=low PreemptMode=REQUEUE GraceTime=10
PartitionName=high PriorityTier=2
CONF

# Any character device can play a GPU, since nothing opens it; without a file the node would report no GPU.
cat >"$D/etc/gres.conf" <<'CONF'
AutoDetect=off
Name=gpu File=/dev/zero
Name=gpu File=/dev/full
CONF

if alive "$D/run/slurmctld.pid" slurmctld && ! cmp -s "$D/etc/slurm.conf.new" "$D/etc/slurm.conf"; then
  rm -f "$D/etc/slurm.conf.new"
  die "already running with another configuration: stop it first"
fi
mv "$D/etc/slurm.conf.new" "$D/etc/slurm.conf"

# Wrappers that set SLURM_CONF themselves: some callers remove every SLURM_* variable from the environment.
for command in srun sbatch squeue scancel scontrol sinfo sacct sacctmgr salloc sattach sstat sprio sshare; do
  printf '#!/bin/sh\nSLURM_CONF=%s exec /usr/bin/%s "$@"\n' "$D/etc/slurm.conf" "$command" >"$D/bin/.$command"
  chmod 755 "$D/bin/.$command"
  mv -f "$D/bin/.$command" "$D/bin/$command"
done
cat >"$D/env.sh" <<CONF
export SLURM_CONF=$D/etc/slurm.conf
export PATH=$D/bin:\$PATH
CONF

# ---- the process that ends the cluster when its owner is gone -------------------------------------------------------
if [ -n "$OWNER" ] && ! alive "$D/run/watch.pid" stop.sh; then
  SLURM_TEST_DIR=$D setsid "$HERE/stop.sh" --after "$OWNER" </dev/null >/dev/null 2>&1 9>&- &
  echo $! >"$D/run/watch.pid"
fi

# ---- daemons --------------------------------------------------------------------------------------------------------
if ! alive "$D/run/munged.pid" munged; then
  launch munged --key-file="$D/munge/munge.key" --socket="$D/run/munge.socket" --pid-file="$D/run/munged.pid" \
    --log-file="$D/munge/munged.log" --seed-file="$D/munge/munged.seed"
fi
until_ok 10 munge -n -S "$D/run/munge.socket" || die "munge does not answer"

if [ "$ACCOUNTING" = dbd ] && ! alive "$D/run/mariadbd.pid" mariadbd; then
  cat >"$D/etc/my.cnf" <<CONF
[mariadbd]
user=$USER_NAME
datadir=$D/mysql
# A server that starts removes the temporary tables of all others from a folder that they share.
tmpdir=$D/mysql-tmp
socket=$D/munge/mysql.sock
pid-file=$D/run/mariadbd.pid
log-error=$D/log/mariadbd.log
lc-messages-dir=/usr/share/mysql
skip-networking
skip-name-resolve
skip-grant-tables
skip-log-bin
performance_schema=OFF
max_connections=20
max_allowed_packet=16M
innodb_buffer_pool_size=32M
innodb_log_file_size=8M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
innodb_use_native_aio=0
aria_pagecache_buffer_size=8M
key_buffer_size=4M
CONF
  mkdir -p "$D/mysql-tmp"
  if [ ! -d "$D/mysql/mysql" ]; then
    mkdir -p "$D/mysql"
    chmod 700 "$D/mysql"
    # mariadb-install-db needs programs that are in none of the packages installed here.
    {
      echo "create database if not exists mysql;"
      echo "use mysql;"
      cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_system_tables_data.sql
    } | mariadbd --defaults-file="$D/etc/my.cnf" --bootstrap --silent-startup >>"$D/log/mariadbd.log" 2>&1 9>&- ||
      die "mariadbd --bootstrap"
  fi
  setsid mariadbd --defaults-file="$D/etc/my.cnf" </dev/null >>"$D/log/mariadbd.log" 2>&1 9>&- &
  until_ok 30 alive "$D/run/mariadbd.pid" mariadbd || die mariadbd
  until_ok 30 test -S "$D/munge/mysql.sock" || die "the socket of mariadbd"
fi

if [ "$ACCOUNTING" = dbd ] && ! alive "$D/run/slurmdbd.pid" slurmdbd; then
  need_port "$PORT"
  # slurmdbd reads only a file that nobody else can.
  (umask 077 && cat >"$D/etc/slurmdbd.conf") <<CONF
AuthType=auth/munge
AuthInfo=$D/run/munge.socket
DbdHost=localhost
DbdAddr=$ADDRESS
DbdPort=$PORT
SlurmUser=$USER_NAME
PidFile=$D/run/slurmdbd.pid
LogFile=$D/log/slurmdbd.log
DebugLevel=info
CommitDelay=1
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageLoc=slurm_acct_db
StorageUser=root
StoragePass=unused
$LISTEN
CONF
  # The database's client takes the path of the socket from the environment only.
  MYSQL_UNIX_PORT="$D/munge/mysql.sock" MARIADB_UNIX_PORT="$D/munge/mysql.sock" launch slurmdbd
  until_ok 30 sacctmgr -n -i show cluster || die "slurmdbd does not answer"
fi

if ! alive "$D/run/slurmctld.pid" slurmctld; then
  need_port $((PORT + 1))
  launch slurmctld
fi
until_ok 30 sh -c 'scontrol ping | grep -q "is UP"' || die "slurmctld does not answer"

for ((i = 1; i <= NODES; i++)); do
  alive "$D/run/slurmd-n$i.pid" slurmd && continue
  need_port $((PORT + 1 + i))
  launch slurmd -N "n$i"
  # A job sent to a node before it listens would fail.
  until_ok 10 taken $((PORT + 1 + i)) || die "slurmd n$i does not listen"
done
nodes_ready() {
  [ "$(sinfo -h -N -p cpu -o %T | grep -cE '^(idle|mixed|allocated|completing)$')" = "$NODES" ]
}
for ((attempt = 1; attempt <= 10; attempt++)); do
  until_ok 2 nodes_ready && break
  # Drained, or down for something other than silence: such a node does not come back by itself.
  scontrol update NodeName=ALL State=RESUME >/dev/null 2>&1 || true
done
nodes_ready || { sinfo -N -l >&2; die "the nodes do not come up"; }
say "up, accounting $ACCOUNTING: . $D/env.sh"
