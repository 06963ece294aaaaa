#!/usr/bin/env bash
# check.sh FILE.cu INCLUDE_DIR: passes when nvcc compiles the file for sm_80 and sm_90a without a warning; 77, and a word
# about it, where there is no nvcc. Prints which kernels keep registers or arrays in memory.
set -euo pipefail

if ! command -v nvcc >/dev/null; then
  echo "no nvcc here: the CUDA side of the kernels is not compiled"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
nvcc -std=c++20 --expt-relaxed-constexpr -I"$2" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Wshadow \
  -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -Xptxas -v -c "$1" -o "$folder/object.o" \
  2>"$folder/log" || { grep -v '^ptxas info' "$folder/log" && exit 1; }
{ grep -c 'Used .* registers' "$folder/log" || true; } | sed 's/$/ kernels compiled, for both architectures together/'
grep -B1 -E '\b[1-9][0-9]* bytes stack frame' "$folder/log" | grep -v '^--' || true
