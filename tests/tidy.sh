#!/usr/bin/env bash
# Runs clang-tidy 16, with .clang-tidy, over all headers: by way of some programs that include and instantiate them.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

packages+=(clang-16 clang-tidy-16)
install_packages
cd "$root"
flags=(-std=c++20 -Iinclude -Iexamples -isystem /usr/include/eigen3 -DFMT_HEADER_ONLY)
printf '%s\n' examples/custom_system/main.cpp tests/fuzz/config.cpp tests/backend/device_images.cpp tests/backend/device_attention_float.cpp |
  xargs -P "$(nproc)" -I FILE clang-tidy-16 --quiet FILE -- "${flags[@]}" -Itests || die "clang-tidy has found what stands above"
