#!/usr/bin/env bash
# program.sh FILE.cpp INCLUDE_DIR EIGEN_DIR PRECISION: passes when the program, with the one word changed that makes a GPU its machine,
# and sysdpo::precision<PRECISION> for what it has, compiles as CUDA without a warning, and links; 77, and a word about it, where there is no nvcc or none of the libraries. It needs no GPU.
set -euo pipefail

skip() {
  echo "$1: $(basename "$(dirname "$program")") is not compiled for GPUs"
  exit 77
}
program=$(realpath "$1")
command -v nvcc >/dev/null || skip "no nvcc here"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
printf '#include <cublasLt.h>\n#include <cudnn.h>\nint main() {}\n' >"$folder/libraries.cu"
nvcc "$folder/libraries.cu" -lcublasLt -lcudnn -o "$folder/libraries" >/dev/null 2>&1 || skip "no cuBLASLt and cuDNN here"

for line in 'using machine = sysdpo::cpu;' 'using precision = sysdpo::precision<float>;'; do
  grep -q "^$line" "$program" || { echo "$1 has no line '$line'" && exit 1; }
done
sed "s/^using machine = sysdpo::cpu;/using machine = sysdpo::cuda;/; s/^\(using precision = sysdpo::precision\)<float>;/\1<$4>;/" "$program" \
  >"$folder/program.cu"
# What .cmake/optional_dependencies.cmake gives to programs that link sysdpo::cuda, and all warnings.
nvcc -std=c++20 --expt-relaxed-constexpr -diag-suppress 20012,20208 -DFMT_HEADER_ONLY=1 -DFMT_USE_CONSTEXPR=1 -I"$2" -isystem "$3" \
  -DSYSDPO_LARGEST_HEAD=32 -gencode arch=compute_90a,code=sm_90a -O1 -Werror all-warnings -Xcompiler -Wall,-Wextra,-Wshadow "$folder/program.cu" \
  -lcublasLt -lcudnn -o "$folder/program"
du -h "$folder/program" | cut -f1
