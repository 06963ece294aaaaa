#!/usr/bin/env bash
# gpu.sh [SUBJECT...]: compiles the tests of kernels (all of tests/kernel, or those named) for the GPU of this machine and
# runs them there. 77, and a word about it, where there is no nvcc or no GPU. Needs Catch2 and nothing of the network.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

skip() {
  echo "$1: the kernels' tests do not run"
  exit 77
}
command -v nvcc >/dev/null || skip "no nvcc here"
nvidia-smi -L 2>/dev/null | grep GPU || skip "no GPU here"

build=$root/build/gpu
mkdir -p "$build"
flags=(-std=c++20 -O2 -arch=native --expt-relaxed-constexpr -I"$root/include" -I"$root/tests" -diag-suppress 20012)
[[ -e $build/main.o ]] || g++ -std=c++20 -I"$root/tests" -c "$root/tests/main.cpp" -o "$build/main.o"
if (($# == 0)); then
  for file in "$root"/tests/kernel/*.cpp; do set -- "$@" "$(basename "$file" .cpp)"; done
fi

compile() { # SUBJECT
  rm -f "$build/$1"
  nvcc "${flags[@]}" -x cu -include "$root/tests/support/precompiled.hpp" -c "$root/tests/kernel/$1.cpp" -o "$build/$1.o" &&
    nvcc -arch=native "$build/$1.o" "$build/main.o" -o "$build/$1"
}
for subject in "$@"; do compile "$subject" >"$build/$subject.log" 2>&1 & done
wait
failures=0
for subject in "$@"; do
  echo "== $subject"
  if [[ ! -x $build/$subject ]]; then
    tail -20 "$build/$subject.log"
    failures=$((failures + 1))
  else
    "$build/$subject" || failures=$((failures + 1))
  fi
done
echo "$failures of $# subjects fail"
exit $((failures > 0))
