#!/bin/bash
# Installs the browser that tests/browser needs, from the packages of Debian. Needs root.
set -euo pipefail

say() { printf '[browser-test] %s\n' "$*"; }

packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v chromedriver >/dev/null || packages+=(chromium-driver)

if [ ${#packages[@]} -eq 0 ]; then
  say "nothing to install: chromium and chromedriver are there"
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
say "installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
say "installed ${packages[*]}"
