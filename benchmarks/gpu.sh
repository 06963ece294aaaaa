#!/usr/bin/env bash
# Times kernels and whole steps on this machine's GPU, and PyTorch beside them: a table, and benchmarks/results/<device>.json with the
# commit. 77, and a word about it, where there is no nvcc or no GPU. It installs nothing: where headers are missing it takes what
# .ci/bundle.sh has collected, and where there is no PyTorch the table does without. Programs stay in build/gpu_benchmarks, and
# one is made again only where a file that it was made from has changed: build elsewhere with --build-only, and take that folder along.
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

parts_of() { if [[ $1 == kernels ]]; then echo main "${parts[@]}"; else echo "$1"; fi; } # PROGRAM
compile() { # PART
  local dependencies=(-MMD -MF "$out/$1.d")
  if [[ $1 == main ]]; then
    g++ -std=c++20 -O1 "${headers[@]}" "${dependencies[@]}" -c main.cpp -o "$out/main.o"
  else
    nvcc "${flags[@]}" "${dependencies[@]}" -c "$1.cu" -o "$out/$1.o"
  fi >"$out/$1.log" 2>&1
}
failures=0
link() { # PROGRAM: of those of its parts that compiled
  local one objects=() dependencies=() complete=1
  for one in $(parts_of "$1"); do
    if [[ -e $out/$one.o ]]; then
      objects+=("$out/$one.o") dependencies+=("$out/$one.d")
    else
      tail -20 "$out/$one.log"
      echo "FAILED: $one does not compile"
      complete=0 failures=1
    fi
  done
  if ((${#objects[@]} == 0)) || ! nvcc "${code[@]}" "${objects[@]}" "${libraries[@]}" -o "$out/$1"; then
    failures=1
  elif ((complete)); then
    write_recipe "$out/$1" "$made_with $(parts_of "$1")" "${dependencies[@]}"
  fi
}

stale=()
for one in kernels "${programs[@]}"; do is_up_to_date "$out/$one" "$made_with $(parts_of "$one")" || stale+=("$one"); done
for one in "${stale[@]}"; do
  rm -f "$out/$one" "$out/$one.recipe"
  for part in $(parts_of "$one"); do
    wait_for_core
    compile "$part" &
  done
done
wait
for one in "${stale[@]}"; do link "$one"; done
rm -f "$out"/*.o "$out"/*.d
echo "${#stale[@]} of $((1 + ${#programs[@]})) programs compiled for $architecture in $SECONDS s"
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
