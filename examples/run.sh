#!/usr/bin/env bash
# Installs what is missing, builds the progression and runs it with the arguments given: --quick, --fresh … (--help lists them).
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

install_packages
build release '' progression
cd "$root"
"$build_dir/examples/progression" "$@"
if [[ " $* " != *" --help "* ]]; then
  echo
  echo "Open $root/results/report.html"
fi
