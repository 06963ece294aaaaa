#!/usr/bin/env bash
# Installs what is missing, builds an example, the progression unless --example NAME comes first, and runs it with the other
# arguments: --quick, --fresh … (--help lists them).
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

example=progression
if [[ ${1:-} == --example ]]; then
  needs_argument "$@"
  example=$2
  shift 2
  [[ -f $root/examples/$example/main.cpp ]] || die "there is no example '$example'"
fi

install_packages
build release '' "$example"
cd "$root"
"$build_dir/examples/$example" "$@"
if [[ $example == progression && " $* " != *" --help "* ]]; then
  echo
  echo "Open $root/results/report.html"
fi
