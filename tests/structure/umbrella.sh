#!/usr/bin/env bash
# umbrella.sh INCLUDE_DIR: passes when sysdpo.hpp is nothing but includes and names every header of the library, once, except those
# for kernels only (the emulator and whatever needs a CUDA compiler) and the adaptors of xtensor, which cost every program a second or two
# of compile time and serve those that use xtensor themselves.
set -euo pipefail
cd "$1"

failures=0
report() {
  echo "$1"
  failures=$((failures + 1))
}

listed=$(sed -n 's|^#include <\(sysdpo/.*\)>$|\1|p' sysdpo.hpp | sort)
present=$(find sysdpo -name '*.hpp' ! -path '*/backend/emulated*' ! -path '*/backend/device*' ! -path '*/backend/cuda*' ! -path sysdpo/io/xtensor.hpp | sort)

while read -r header; do report "sysdpo.hpp does not include $header"; done < <(comm -13 <(uniq <<<"$listed") <(echo "$present") | grep .)
while read -r header; do report "sysdpo.hpp includes $header, which it should not or which is not there"; done \
  < <(comm -23 <(uniq <<<"$listed") <(echo "$present") | grep .)
while read -r header; do report "sysdpo.hpp includes $header twice"; done < <(uniq -d <<<"$listed" | grep .)
while read -r line; do report "sysdpo.hpp holds more than includes: $line"; done \
  < <(grep -vE '^(//.*|#pragma once|#include <sysdpo/[a-z0-9_/]+\.hpp>|)$' sysdpo.hpp)

exit $((failures > 0))
