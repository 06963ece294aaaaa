#!/usr/bin/env bash
# run.sh [SECONDS] [TARGET...]: builds the fuzz targets with clang 16 and runs each for SECONDS (30) from its corpus, one a core. Ends with
# an error if there is a finding; the input that shows it is then build/fuzz/findings/TARGET-*, and build/fuzz-.../fuzz_TARGET FILE repeats it.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/build.sh"
here=$root/tests/fuzz

seconds=${1:-30}
[[ $seconds =~ ^[0-9]+$ ]] || die "what is $seconds? Give a number of seconds"
targets=("${@:2}")
if ((${#targets[@]} == 0)); then
  for file in "$here"/*.cpp; do targets+=("$(basename "$file" .cpp)"); done
fi

packages+=("${clang_packages[@]}")
install_packages
build fuzz '' "${targets[@]/#/fuzz_}"
mkdir -p "$build_dir/findings"

# The inputs that a run discovers stay out of the repository; memory files spare the disk.
inputs=$(mktemp -d)
trap 'rm -rf "$inputs"' EXIT
[[ ! -w /dev/shm ]] || export TMPDIR=/dev/shm
export ASAN_OPTIONS=allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1 SYSDPO_THREADS=1
run_target() { # TARGET
  local target=$1 log=$build_dir/findings/$1.log
  mkdir -p "$inputs/$target"
  "$build_dir/tests/fuzz/fuzz_$target" "$inputs/$target" "$here/corpus/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -max_len=4096 -dict="$here/json.dict" -artifact_prefix="$build_dir/findings/$target-" -print_final_stats=1 >"$log" 2>&1 || {
    tail -n 60 "$log" >&2
    die "$target: a finding; its input is the file that the last lines name"
  }
  awk -v target="$target" '/number_of_executed_units/ { runs = $2 } /cov: / { covered = $4 } /peak_rss_mb/ { memory = $2 }
    /^Done/ { seconds = $(NF - 1) } END { printf "%-12s %9d runs in %d s, %d edges, %d MB\n", target, runs, seconds, covered, memory }' "$log"
}
running=()
for target in "${targets[@]}"; do
  if ((${#running[@]} >= $(nproc))); then
    wait "${running[0]}"
    running=("${running[@]:1}")
  fi
  run_target "$target" &
  running+=($!)
done
for job in "${running[@]}"; do wait "$job"; done
