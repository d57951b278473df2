# Sourced by what installs programs for tests, whose name is in TESTS, from the packages of Debian or Ubuntu:
#   need PROGRAM PACKAGE   remembers the package if the program is missing
#   can_install_needed     ends the script if nothing is missing, or if it cannot be installed
#   install_needed         installs it

packages=()

say() { printf '[%s] %s\n' "$TESTS" "$*"; }

need() {
  command -v "$1" >/dev/null || packages+=("$2")
}

can_install_needed() {
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
}

install_needed() {
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}"
  say "installed ${packages[*]}"
}
