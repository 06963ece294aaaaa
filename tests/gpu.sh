#!/usr/bin/env bash
# Compiles the tests of kernels and of the CUDA backend for the GPU of this machine and runs them there. 77, and a word about it, where
# there is no nvcc or no GPU. It installs nothing: where headers are missing it takes what .ci/bundle.sh has collected.
set -euo pipefail
# shellcheck source=.ci/gpu.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/gpu.sh"

usage() {
  cat <<'END'
tests/gpu.sh [--sanitize] [--minutes N] [--build-only | --syntax] [SUBJECT...]
  --sanitize    then run the kernels' tests again under compute-sanitizer's memcheck and racecheck; what of it is not run is told, and
                the script does not pass
  --minutes N   begin nothing after N minutes, and say what was not run (default: 9)
  --build-only  compile, for sm_90a or $SYSDPO_GPU_ARCH, and run nothing: needs no GPU
  --syntax      have nvcc's front end read them, and make nothing: two minutes for all, by which ctest knows that they compile
  SUBJECT...    kernel/attention, or attention (default: all)
Programs stay in build/gpu, and one is made again only where a file that it was made from has changed, or the architecture: built
elsewhere and brought along, they run at once. PYTHON is the Python among whose packages cuDNN is where the machine has it nowhere else
(default: python3).
END
}

sanitize=0 mode='' wanted=()
while (($#)); do
  case $1 in
    --sanitize) sanitize=1 ;;
    --minutes) needs_argument "$@" && minutes=$2 && shift ;;
    --build-only | --syntax) mode=${1#--} ;;
    --help | -h) usage && exit ;;
    -*) usage >&2 && die "what is $1?" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done

find_gpu "the tests for GPUs do not run" "${mode:+build-only}"
find_headers
nvcc_flags -O1 # of the host's side: tests are small
flags+=(-I"$root/tests" -I"$root/examples" -Xfatbin=-compress-all) # for programs that travel

# A file is a subject. Those below need no entry, whatever their names: tests of kernels, and tests that are typed over backends or are
# about the CUDA backend alone.
shopt -s nullglob
cd "$root/tests"
declare -A file_of
for file in kernel/*.cpp */device_*.cpp */cuda/*.cpp backend/cuda*.cu */cuda/*.cu; do
  name=${file%.*}
  if ((${#wanted[@]} == 0)); then file_of[$name]=$file; fi
  for one in "${wanted[@]}"; do [[ $one != "$name" && $one != "${name##*/}" ]] || file_of[$name]=$file; done
done
mapfile -t subjects < <(printf '%s\n' "${!file_of[@]}" | sort)
[[ -n ${subjects[0]} ]] || die "no such subject: ${wanted[*]}"

build=$root/build/gpu
objects=$root/build/gpu_objects # apart from what other machines need
mkdir -p "$build" "$objects"
program_of() { echo "$build/${1//\//.}"; }
flags_of() { # SUBJECT: what it is compiled with, beside `flags`
  case $1 in
    */*attention* | */cuda/*) ;;
    *) echo -DSYSDPO_LARGEST_HEAD=32 ;; # attention has tests of its own, and many kernels
  esac
}

recipe_of() { echo "$made_with $(flags_of "$1")"; } # SUBJECT
# The first two of the commands that nvcc would run: the preprocessor, and what tells host and device apart, which instantiates all.
check_syntax() { # SUBJECT
  local commands log=$objects/${1//\//.}.log
  # shellcheck disable=SC2046
  nvcc --dryrun "${flags[@]}" $(flags_of "$1") -x cu -include "$root/tests/support/precompiled.hpp" -c "${file_of[$1]}" \
    -o "$objects/none.o" >"$log" 2>&1 || return 1
  commands=$(sed -n 's/^#\$ //p' "$log" | grep -E -m 2 ' -E -x c\+\+ |^("[^"]*/)?cudafe\+\+')
  (($(wc -l <<<"$commands") == 2)) || { echo "nvcc would run other commands than are known here" >>"$log" && return 1; }
  PATH=$PATH:$(dirname "$(command -v nvcc)") bash -ec "$commands" >"$log" 2>&1 && [[ ! -s $log ]]
}
compile() { # SUBJECT
  local program object
  program=$(program_of "$1")
  object=$objects/${program##*/}
  rm -f "$program" "$program.recipe"
  # shellcheck disable=SC2016,SC2046
  { nvcc "${flags[@]}" $(flags_of "$1") -x cu -include "$root/tests/support/precompiled.hpp" -MMD -MF "$object.d" -c "${file_of[$1]}" \
    -o "$object.o" && nvcc "${code[@]}" -cudart shared "$object.o" -L"$build" -lmain -Xlinker -rpath,'$ORIGIN' \
    "${libraries[@]}" -Xlinker -s -o "$program" &&
    write_recipe "$program" "$(recipe_of "$1")" "$object.d"; } >"$object.log" 2>&1
}
# The tests' main function and Catch2, for all programs.
compile_main() {
  g++ -std=c++20 -O1 -fPIC -shared -Wl,-s "${headers[@]}" -I"$root/tests" main.cpp -o "$build/libmain.so" >"$objects/main.log" 2>&1
}
if [[ $mode == syntax ]]; then
  echo '#include <cudnn.h>' | nvcc -x cu -E - >/dev/null 2>&1 || skip "no cuDNN here: the tests for GPUs are not read"
  TMPDIR=$(mktemp -d)
  export TMPDIR
  trap 'rm -r "$TMPDIR"' EXIT
  for subject in "${subjects[@]}"; do
    wait_for_core
    check_syntax "$subject" || echo "$subject" >>"$TMPDIR/refused" &
  done
  wait
  [[ -e $TMPDIR/refused ]] || { echo "nvcc's front end takes ${#subjects[@]} subjects, $SECONDS s" && exit; }
  while read -r subject; do
    echo "FAILED: $subject"
    tail -20 "$objects/${subject//\//.}.log"
  done <"$TMPDIR/refused"
  exit 1
fi

stale=()
for subject in "${subjects[@]}"; do is_up_to_date "$(program_of "$subject")" "$(recipe_of "$subject")" || stale+=("$subject"); done
[[ -e $build/libmain.so ]] || compile_main || { cat "$objects/main.log" && die "the main function does not compile"; }
for subject in "${stale[@]}"; do
  wait_for_core
  compile "$subject" &
done
wait
echo "${#stale[@]} of ${#subjects[@]} compiled for $architecture in $SECONDS s: $(du -sh "$build" | cut -f1)"

[[ -n $mode ]] || find_cudnn "${PYTHON:-python3}"

failed=() not_run=()

# run_within LIMIT NAME COMMAND...: 0 if the run passed; else a list has its name. Its output goes into `log`.
log=$objects/output.log
run_within() {
  local status=0
  : >"$log"
  if (($(seconds_left) < 5)); then
    not_run+=("$2")
    return 1
  fi
  timeout -k 5 "$1" "${@:3}" >"$log" 2>&1 || status=$?
  case $status in
    0) return 0 ;;
    124 | 137) not_run+=("$2, stopped after $1 s") ;;
    *) failed+=("$2") ;;
  esac
  return 1
}

for subject in "${subjects[@]}"; do
  echo "== $subject"
  program=$(program_of "$subject")
  if [[ ! -x $program ]]; then
    tail -20 "$objects/${program##*/}.log"
    failed+=("$subject does not compile")
  elif [[ -z $mode ]]; then
    run_within "$(seconds_left)" "$subject" "$program" || true
    tail -40 "$log"
  fi
done

# sanitize_with TOOL RUNS: the kernels' tests, RUNS of them with those of later tools, which share the time that is left.
sanitize_with() {
  local subject program limit runs=$2
  for subject in "${subjects[@]}"; do
    program=$(program_of "$subject")
    [[ $subject == kernel/* && -x $program ]] || continue
    limit=$(($(seconds_left) / runs))
    runs=$((runs - 1))
    if run_within $((limit > 20 ? limit : 20)) "$1 of $subject" \
      compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 5 "$program"; then
      echo "== $1 of $subject: $(grep 'SUMMARY' "$log" || true)"
    elif grep -qi 'device not supported' "$log"; then
      failed=("${failed[@]/#$1 of $subject/}")
      not_run+=("$1: compute-sanitizer refuses this device")
      return
    else
      echo "== $1 of $subject"
      tail -40 "$log"
    fi
  done
}
if ((sanitize)) && [[ -z $mode ]]; then
  if command -v compute-sanitizer >/dev/null; then
    sanitize_with memcheck $((2 * ${#subjects[@]}))
    sanitize_with racecheck ${#subjects[@]}
  else
    not_run+=("memcheck and racecheck: no compute-sanitizer here")
  fi
fi

failures=0
for one in "${not_run[@]}"; do echo "NOT RUN: $one"; done
for one in "${failed[@]}"; do
  [[ -n $one ]] || continue
  echo "FAILED: $one"
  failures=$((failures + 1))
done
echo "${#subjects[@]} subjects, $failures failures, ${#not_run[@]} not run, $SECONDS s"
exit $((failures + ${#not_run[@]} > 0))
