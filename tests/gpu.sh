#!/usr/bin/env bash
# Compiles the tests of kernels and of the CUDA backend for the GPU of this machine and runs them there. 77, and a word about it, where
# there is no nvcc or no GPU. It installs nothing: where headers are missing it takes what .ci/bundle.sh has collected.
set -euo pipefail
# shellcheck source=.ci/gpu.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/gpu.sh"

usage() {
  cat <<'END'
tests/gpu.sh [--sanitize] [--minutes N] [--build-only] [SUBJECT...]
  --sanitize    then run the kernels' tests again under compute-sanitizer's memcheck and racecheck
  --minutes N   begin nothing after N minutes, and say what was not run (default: 9)
  --build-only  compile, for sm_90a or $SYSDPO_GPU_ARCH, and run nothing: needs no GPU
  SUBJECT...    kernel/attention, or attention (default: all)
Programs stay in build/gpu, and one is made again only where a file that it was made from has changed, or the architecture: built
elsewhere and brought along, they run at once.
END
}

sanitize=0 mode='' wanted=()
while (($#)); do
  case $1 in
    --sanitize) sanitize=1 ;;
    --minutes) needs_argument "$@" && minutes=$2 && shift ;;
    --build-only) mode='build-only' ;;
    --help | -h) usage && exit ;;
    -*) usage >&2 && die "what is $1?" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done

find_gpu "the tests for GPUs do not run" "$mode"
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

# A program's recipe: the architecture, and the checksums of this project's files that it was made from.
write_recipe() { # SUBJECT DEPENDENCIES: a make rule that names them
  {
    echo "# $architecture $(flags_of "$1")"
    sed 's/^[^:]*://; s/\\$//' "$2" | tr ' ' '\n' | grep . | xargs realpath --relative-to="$root" |
      grep -v '^[.][.]' | sort -u | (cd "$root" && xargs sha256sum)
  } >"$(program_of "$1").recipe"
}
is_up_to_date() { # SUBJECT
  local recipe
  recipe=$(program_of "$1").recipe
  [[ -x $(program_of "$1") && -e $recipe && $(head -1 "$recipe") == "# $architecture $(flags_of "$1")" ]] &&
    (cd "$root" && sed 1d "$recipe" | sha256sum --check --status)
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
    write_recipe "$1" "$object.d"; } >"$object.log" 2>&1
}
# The tests' main function and Catch2, for all programs.
compile_main() {
  g++ -std=c++20 -O1 -fPIC -shared -Wl,-s "${headers[@]}" -I"$root/tests" main.cpp -o "$build/libmain.so" >"$objects/main.log" 2>&1
}
stale=()
for subject in "${subjects[@]}"; do is_up_to_date "$subject" || stale+=("$subject"); done
[[ -e $build/libmain.so ]] || compile_main || { cat "$objects/main.log" && die "the main function does not compile"; }
for subject in "${stale[@]}"; do
  wait_for_core
  compile "$subject" &
done
wait
echo "${#stale[@]} of ${#subjects[@]} compiled for $architecture in $SECONDS s: $(du -sh "$build" | cut -f1)"

failed=() not_run=() remarks=()

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
tests_not_run=${#not_run[@]}

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
      remarks+=("compute-sanitizer refuses this device: $1 is skipped")
      failed=("${failed[@]/#$1 of $subject/}")
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
    remarks+=("no compute-sanitizer here: memcheck and racecheck are skipped")
  fi
fi

failures=0
for one in "${remarks[@]}"; do echo "$one"; done
for one in "${not_run[@]}"; do echo "NOT RUN: $one"; done
for one in "${failed[@]}"; do
  [[ -n $one ]] || continue
  echo "FAILED: $one"
  failures=$((failures + 1))
done
echo "${#subjects[@]} subjects, $failures failures, $tests_not_run not run, $SECONDS s"
exit $((failures + tests_not_run > 0))
