#!/usr/bin/env bash
# Times kernels and whole steps on this machine's GPU, and PyTorch beside them: a table, and benchmarks/results/<device>.json with the
# commit. 77, and a word about it, where there is no nvcc or no GPU. It installs nothing: where headers are missing it takes what
# .ci/bundle.sh has collected, and where there is no PyTorch the table does without. What build/gpu_benchmarks has of these very sources
# is not compiled again: build elsewhere with --build-only, and take that folder along.
set -euo pipefail
# shellcheck source=.ci/gpu.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/gpu.sh"

usage() {
  cat <<'END'
benchmarks/gpu.sh [--quick] [--only TEXT] [--minutes N] [--no-peer] [--build-only]
  --quick       5 samples a case instead of 25, and of PyTorch what needs no compiling
  --only TEXT   the cases with this in their name; benchmarks/results stays as it is
  --minutes N   begin nothing after N minutes, and say what was not run (default: 9)
  --no-peer     without PyTorch
  --build-only  compile, for sm_90a or $SYSDPO_GPU_ARCH, and run nothing: needs no GPU; a run with the same sources compiles nothing
PYTHON is the Python that has PyTorch (default: python3).
END
}

mode='' peer=1 options=() peer_options=() step_options=() results=$root/benchmarks/results
out=$root/build/gpu_benchmarks
while (($#)); do
  case $1 in
    --quick) options+=(--quick) && peer_options+=(--samples 5 --modes flash cudnn math eager) && step_options+=(--samples 5 --modes eager) ;;
    --only) needs_argument "$@" && options+=(--only "$2") && peer_options+=(--only "$2") && step_options+=(--only "$2") && results=$out && shift ;;
    --minutes) needs_argument "$@" && minutes=$2 && shift ;;
    --no-peer) peer=0 ;;
    --build-only) mode='build-only' ;;
    --help | -h) usage && exit ;;
    *) usage >&2 && die "what is $1?" ;;
  esac
  shift
done

find_gpu "the benchmarks of GPUs do not run" "$mode"
find_headers
nvcc_flags -O2
mkdir -p "$out"
cd "$root/benchmarks/gpu"

# Files of this folder need no entry: those with a main function become programs, which understand --json FILE, --minutes N and --quick
# (such as whole steps); all others become one, `kernels`, with what they register (benchmark.hpp).
programs=() parts=()
for file in *.cu; do
  if grep -q '^int main(' "$file"; then programs+=("${file%.cu}"); else parts+=("${file%.cu}"); fi
done

# What the programs are made of, and for: where both are as they were, they are built already.
sources_of_programs() (
  echo "$architecture"
  cd "$root"
  find include benchmarks/gpu examples/progression .ci/gpu.sh benchmarks/gpu.sh -type f -not -name '*.py' -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum
)
is_built() {
  local one
  for one in kernels "${programs[@]}"; do [[ -x $out/$one ]] || return 1; done
  cmp -s "$out/sources" <(sources_of_programs 2>/dev/null)
}

compile() { nvcc "${flags[@]}" -c "$1.cu" -o "$out/$1.o" >"$out/$1.log" 2>&1; }
compile_main() { g++ -std=c++20 -O1 "${headers[@]}" -c main.cpp -o "$out/main.o" >"$out/main.log" 2>&1; }
link() { nvcc "${code[@]}" "${@:2}" "${libraries[@]}" -o "$out/$1"; }
build_programs() {
  local one objects=()
  rm -f "$out"/*.o "$out/sources" "$out/kernels" "${programs[@]/#/$out/}"
  compile_main &
  for one in "${programs[@]}" "${parts[@]}"; do
    wait_for_core
    compile "$one" &
  done
  wait
  for one in main "${parts[@]}" "${programs[@]}"; do
    [[ -e $out/$one.o ]] && continue
    tail -20 "$out/$one.log"
    echo "FAILED: $one does not compile"
    failures=1
  done
  for one in main "${parts[@]}"; do [[ ! -e $out/$one.o ]] || objects+=("$out/$one.o"); done
  link kernels "${objects[@]}" || failures=1
  for one in "${programs[@]}"; do [[ ! -e $out/$one.o ]] || link "$one" "$out/$one.o" || failures=1; done
  rm -f "$out"/*.o
  ((failures)) || sources_of_programs >"$out/sources"
}

failures=0
if is_built; then
  echo "compiled for $architecture before"
else
  build_programs
  echo "compiled for $architecture in $SECONDS s"
fi
[[ -z $mode ]] || exit $failures
rm -f "$out"/*.json

python=${PYTHON:-python3}
find_cudnn "$python"

# run_within PROGRAM SHARE OPTION...: a program that may take SHARE percent of the time that is left.
run_within() {
  local limit=$(($(seconds_left) * $2 / 100))
  echo "== $1"
  if [[ ! -x $out/$1 ]] || ((limit < 10)); then
    echo "NOT RUN: $1"
    return
  fi
  # It begins no case near the end, and is stopped only where that does not help.
  timeout -k 5 $((limit + 60)) "$out/$1" --json "$out/$1.json" --minutes "$(awk "BEGIN { print ($limit - 5) / 60 }")" "${@:3}" ||
    failures=1
}
run_within kernels 40 "${options[@]}"
for one in "${programs[@]}"; do
  run_within "$one" 40 "${options[@]}"
done

# run_peer PROGRAM SHARE OPTION...: what PyTorch takes for the cases that PROGRAM has written.
run_peer() {
  local limit=$(($(seconds_left) * $2 / 100)) script=peer_$1.py
  [[ $1 != kernels ]] || script=peer.py
  [[ -e $script ]] || return 0
  echo "== PyTorch, $1"
  if ((limit < 30)) || [[ ! -e $out/$1.json ]]; then
    echo "NOT RUN: PyTorch, $1"
    return
  fi
  # A case of PyTorch's may take a minute to compile, and ends only by itself: it gets the time to, as far as there is any.
  local most=$((limit + 60 < $(seconds_left) - 5 ? limit + 60 : $(seconds_left) - 5))
  PYTHONDONTWRITEBYTECODE=1 timeout -k 5 "$most" "$python" "$script" "$out/$1.json" "$out/peer_$1.json" \
    --minutes "$(awk "BEGIN { print ($limit - 20) / 60 }")" "${@:3}" || echo "PyTorch was stopped"
}
if ((peer == 0)); then
  echo "without PyTorch, as asked"
elif ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  echo "$python has no PyTorch that sees this GPU: the table does without"
else
  run_peer kernels 40 "${peer_options[@]}"
  for one in "${programs[@]}"; do run_peer "$one" 90 "${step_options[@]}"; done
fi

mkdir -p "$results"
files=() peers=()
for one in "${programs[@]}"; do
  [[ ! -e $out/$one.json ]] || files+=("$out/$one.json")
done
for one in kernels "${programs[@]}"; do
  [[ ! -e $out/peer_$one.json ]] || peers+=("$out/peer_$one.json")
done
PYTHONDONTWRITEBYTECODE=1 "$python" table.py --commit "$(commit_of_tree)" "${peers[@]/#/--peer=}" \
  "$results" "$out/kernels.json" "${files[@]}"
echo "$SECONDS s"
exit $failures
