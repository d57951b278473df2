#!/bin/bash
# Installs what the tests on a private SLURM cluster need, from the packages of Debian or Ubuntu. Needs root.
# No service is started: the tests start their own daemons, as whoever runs them.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '[slurm-test] %s\n' "$*"; }

packages=()
need() { # program package
  command -v "$1" >/dev/null || packages+=("$2")
}
need munged munge
need slurmctld slurmctld
need slurmd slurmd
need sbatch slurm-client
need slurmdbd slurmdbd
need mariadbd mariadb-server-core # the server alone; mariadb-server would bring a service and many packages
need ss iproute2

if [ ${#packages[@]} -eq 0 ]; then
  say "nothing to install: all programs are there"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  say "missing: ${packages[*]}, and there is no apt-get; install what corresponds to them here" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  say "missing: ${packages[*]}; only root can install them, so run: sudo $0" >&2
  exit 1
fi

# What a package's scripts ask before they start its service; 101 is "forbidden".
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
say "installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
say "installed ${packages[*]}"
if [ -d /run/systemd/system ]; then
  say "no service was started, but systemd may start them at the next boot; \`systemctl disable munge\` prevents that"
fi
