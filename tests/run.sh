#!/usr/bin/env bash
# Installs what is missing, builds the tests and runs them.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

usage() {
  cat <<'END'
tests/run.sh [--sanitize | --thread-sanitize | --preset NAME] [--compiler COMPILER] [--headers] [-- CTEST_OPTION...]
  --sanitize           build with the address and undefined-behaviour sanitizers
  --thread-sanitize    build the tests of what runs in threads, and no others, with the thread sanitizer
  --preset NAME        build with another preset of CMakePresets.json (default: release)
  --compiler COMPILER  build with another compiler, such as clang++-16, which sanitizers take anyway where it is to be had
  --headers            compile every header alone too
  CTEST_OPTION...      handed on to ctest: -- -R graph
END
}

preset=release compiler='' targets=(sysdpo_tests) ctest_options=()
while (($#)); do
  case $1 in
    --sanitize) preset=sanitize ;;
    --thread-sanitize) preset=thread-sanitize ;;
    --preset) needs_argument "$@" && preset=$2 && shift ;;
    --compiler) needs_argument "$@" && compiler=$2 && shift ;;
    --headers) targets+=(all_verify_interface_header_sets) && preset=ci ;;
    --help | -h) usage && exit ;;
    --) shift && ctest_options=("$@") && break ;;
    *) usage >&2 && die "what is $1?" ;;
  esac
  shift
done

[[ -z $compiler ]] || packages+=("$(package_of "$compiler")")
[[ $preset != *sanitize || $compiler == g++* ]] || optional_packages+=("${clang_packages[@]}")
install_packages
# g++ takes three times as long over what the sanitizers add.
if [[ $preset == *sanitize && -z $compiler ]] && command -v clang++-16 >/dev/null; then compiler=clang++-16; fi
build "$preset" "$compiler" "${targets[@]}"
ctest --test-dir "$build_dir" --output-on-failure --parallel "$(nproc)" "${ctest_options[@]}"
