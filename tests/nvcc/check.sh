#!/usr/bin/env bash
# check.sh FILE.cu INCLUDE_DIR ARCHITECTURE...: passes when nvcc compiles the file for all of them, such as 80 and 90a, without
# a warning; 77, and a word about it, where there is no nvcc, or a library's header is missing. Prints which kernels keep registers or
# arrays in memory.
set -euo pipefail

if ! command -v nvcc >/dev/null; then
  echo "no nvcc here: the CUDA side of the kernels is not compiled"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
architectures=()
for one in "${@:3}"; do architectures+=(-gencode "arch=compute_$one,code=sm_$one"); done
nvcc -std=c++20 --expt-relaxed-constexpr -I"$2" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Wshadow \
  "${architectures[@]}" -Xptxas -v -c "$1" -o "$folder/object.o" \
  2>"$folder/log" || {
  ! grep -E 'fatal error: (cudnn|cublasLt)[.a-z_]*h' "$folder/log" || exit 77
  grep -v '^ptxas info' "$folder/log" && exit 1
}
{ grep -c 'Used .* registers' "$folder/log" || true; } | sed "s/\$/ kernels compiled, for ${*:3} together/"
grep -B1 -E '\b[1-9][0-9]* bytes stack frame' "$folder/log" | grep -v '^--' || true
