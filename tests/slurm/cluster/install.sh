#!/bin/bash
# Installs what the tests on a private SLURM cluster need, from the packages of Debian or Ubuntu. Needs root.
# No service is started: the tests start their own daemons, as whoever runs them.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
TESTS=slurm-test
. "$(dirname "$0")/../../debian_packages.sh"

need munged munge
need slurmctld slurmctld
need slurmd slurmd
need sbatch slurm-client
need slurmdbd slurmdbd
need mariadbd mariadb-server-core # the server alone; mariadb-server would bring a service and many packages
need ss iproute2
can_install_needed

# What a package's scripts ask before they start its service; 101 is "forbidden".
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
install_needed
if [ -d /run/systemd/system ]; then
  say "no service was started, but systemd may start them at the next boot; \`systemctl disable munge\` prevents that"
fi
