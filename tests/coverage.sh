#!/usr/bin/env bash
# coverage.sh [TARGET...]: builds the tests (or the programs TARGET alone, such as test_io) with clang's coverage counters, runs them, and
# prints for include/ the share of lines that they reach: file by file, the least covered first, then in total. A template that no test
# instantiates has no lines to count. graph/checks.hpp is left out: it runs in the compiler alone, and tests/compile_fail is its test.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

targets=("$@")
((${#targets[@]})) || targets=(sysdpo_tests)
packages+=(clang-16 libclang-rt-16-dev llvm-16)
install_packages
build coverage '' "${targets[@]}"

profiles=$build_dir/profiles
rm -rf "$profiles"
mkdir "$profiles"
# Slow without optimisation, and what runs other programs shows nothing here.
export LLVM_PROFILE_FILE=$profiles/%m.profraw
chosen=(-LE 'compile_fail|structure|consumer')
[[ ${targets[*]} == sysdpo_tests ]] || chosen=(-L "^($(IFS='|' && echo "${targets[*]#test_}"))\$")
ctest --test-dir "$build_dir" --output-on-failure --parallel "$(nproc)" --timeout 3000 "${chosen[@]}" >"$build_dir/ctest.log" ||
  echo "some tests failed or ran out of time: see $build_dir/ctest.log" >&2
llvm-profdata-16 merge -sparse "$profiles"/*.profraw -o "$profiles/all"

# One program at a time: of a function that several have, llvm-cov would believe the first, which may not call it.
find "$build_dir/tests" -maxdepth 1 -name 'test_*' -type f -print0 |
  xargs -0 -I PROGRAM llvm-cov-16 export -format=lcov -instr-profile "$profiles/all" PROGRAM 2>/dev/null |
  awk -F '[:,]' -v include="$root/include/" '
    /^SF:/ { file = substr($0, 4); inside = index(file, include) == 1 && file !~ /graph.checks.hpp$/; file = substr(file, length(include) + 1) }
    /^DA:/ && inside { lines[file, $2] = 1; if ($3 > 0) reached[file, $2] = 1 }
    END {
      for (key in lines) {
        split(key, part, SUBSEP)
        all[part[1]]++
        if (key in reached) covered[part[1]]++
      }
      for (file in all) {
        printf "%5.1f%% %5d of %5d  %s\n", 100 * covered[file] / all[file], covered[file], all[file], file | "sort -n"
        total += all[file]; total_covered += covered[file]
      }
      close("sort -n")
      printf "%5.1f%% %5d of %5d  in total\n", 100 * total_covered / total, total_covered, total
    }'
