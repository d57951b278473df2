#!/bin/bash
# Installs the browser that tests/browser needs, from the packages of Debian. Needs root.
set -euo pipefail
TESTS=browser-test
. "$(dirname "$0")/../debian_packages.sh"

need chromium chromium
need chromedriver chromium-driver
can_install_needed
install_needed
