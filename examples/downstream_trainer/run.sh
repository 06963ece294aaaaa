#!/usr/bin/env bash
# Installs what is missing, LibTorch among it (600 MB), installs sysdpo under build/, builds the trainer against both, checks its gradients
# and runs it. --check stops after the check.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/build.sh"

packages+=(libtorch-dev)
install_packages
build_dir=$root/build/downstream_trainer
cmake -S "$root" -B "$build_dir/sysdpo" -G Ninja >/dev/null || die "configuring sysdpo failed; cmake's message is above"
cmake --install "$build_dir/sysdpo" --prefix "$build_dir/installed" >/dev/null || die "installing sysdpo failed; cmake's message is above"
cmake -S "$root/examples/downstream_trainer" -B "$build_dir" -G Ninja -DCMAKE_PREFIX_PATH="$build_dir/installed" ||
  die "configuring failed; cmake's message is above"
cmake --build "$build_dir" || die "the build failed; the compiler's message is above"

"$build_dir/check"
[[ ${1:-} == --check ]] || "$build_dir/train"
