#!/usr/bin/env bash
# Installs what is missing, builds the benchmarks and runs them: the figures go into results/benchmarks.json.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

install_packages
build release '' benchmarks
mkdir -p "$root/results"
cd "$root"
"$build_dir/benchmarks/benchmarks" "$@"
echo
echo "The figures are in $root/results/benchmarks.json"
