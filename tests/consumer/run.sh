#!/usr/bin/env bash
# run.sh WAY SOURCE_DIR WORK_DIR COMPILER GENERATOR: builds and runs the consumer with a library that it gets by WAY: find_package (from
# a fresh installation, for which nothing is built), add_subdirectory (without oneDNN) or fetch_content. Where the library
# offers sysdpo::cuda, a program for GPUs too.
set -euo pipefail

way=$1 source=$2 work=$3/$1 compiler=$4 generator=$5
rm -rf "$work"
common=(-G "$generator" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug)
consumer=(-S "$(dirname "$0")" -B "$work/consumer" -DWAY="$way")

case $way in
  find_package)
    cmake -S "$source" -B "$work/library" "${common[@]}"
    cmake --install "$work/library" --prefix "$work/prefix"
    consumer+=(-DCMAKE_PREFIX_PATH="$work/prefix") ;;
  add_subdirectory) consumer+=(-DSYSDPO_SOURCE="$source" -DSYSDPO_ONEDNN=OFF) ;;
  fetch_content) consumer+=(-DSYSDPO_SOURCE="$source") ;;
esac

cmake "${consumer[@]}" "${common[@]}"
cmake --build "$work/consumer"
"$work/consumer/consumer"
[[ ! -x $work/consumer/consumer_cuda ]] || "$work/consumer/consumer_cuda"
