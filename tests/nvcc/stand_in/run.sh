#!/usr/bin/env bash
# run.sh INCLUDE_DIR: compiles the tests of the CUDA backend's host side with stand-ins for CUDA's libraries, and runs them under the
# address sanitizer. 77, and a word about it, where there is no nvcc or none of the libraries' headers.
set -euo pipefail

skip() {
  echo "$1: the CUDA backend's host side is not tested"
  exit 77
}
command -v nvcc >/dev/null || skip "no nvcc here"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
printf '#include <cublasLt.h>\n#include <cudnn.h>\n' | nvcc -x cu -E - >/dev/null 2>&1 || skip "no cuBLASLt and cuDNN here"

flags=(-std=c++20 --expt-relaxed-constexpr -arch=sm_80 -g -Xcompiler '-Wall,-Wextra,-fsanitize=address,-fsanitize=undefined'
  -I"$1" -I"$here" -I"$here/../.." -diag-suppress 20012)
nvcc "${flags[@]}" -cudart none "$here"/*.cu "$here"/*.cpp "$here/../../main.cpp" -o "$folder/tests"
"$folder/tests"
