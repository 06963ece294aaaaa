#!/usr/bin/env bash
# run.sh [--check | PATTERN]: breaks the library in one place at a time and demands that a test notices. Each mutation of mutations.txt (those whose
# title or header matches the regular expression PATTERN) is made in a copy of include/, the one test file named with it is compiled
# against that copy and run; it must fail, crash or hang. The same tests must pass on an unchanged copy, and a mutation that does not
# compile shows nothing: it is an error. JOBS (1) are worked on at a time, CXXFLAGS go to the compiler. Ends with an error if a mutation survives.
# --check only looks whether the text that each mutation is about stands in its header, once.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/build.sh"

pattern=${1:-.} jobs_at_once=${JOBS:-1} only_check=0
[[ $pattern != --check ]] || { pattern=. && only_check=1; }
((only_check)) || install_packages
work=$root/build/mutations
((only_check)) || { rm -rf "$work" && mkdir -p "$work"; }

# What has no oneDNN is what all machines run. Optimised enough for the tests that train, and no more.
compile=(g++ -std=c++20 -O1 -w -pthread -DFMT_HEADER_ONLY -I"$root/tests" -isystem /usr/include/eigen3)
[[ $(uname -m) != x86_64 ]] || compile+=(-march=x86-64-v3 -mtune=generic)
read -ra extra <<<"${CXXFLAGS:-}"
compile+=("${extra[@]}")
! command -v ccache >/dev/null || compile=(ccache "${compile[@]}")

titles=() headers=() tests=() from=() to=()
read_list() { # FILE
  local line number=0
  while IFS= read -r line; do
    number=$((number + 1))
    case $line in
      '' | '#'*) ;;
      '  - '*) from+=("${line#'  - '}") ;;
      '  +') to+=('') ;;
      '  + '*) to+=("${line#'  + '}") ;;
      '  '*' '*) headers+=("$(awk '{ print $1 }' <<<"$line")") tests+=("$(awk '{ print $2 }' <<<"$line")") ;;
      ' '*) die "$1, line $number: neither a title nor header and test, nor - or +" ;;
      *) titles+=("$line") ;;
    esac
  done <"$1"
  ((${#titles[@]} == ${#headers[@]} && ${#titles[@]} == ${#from[@]} && ${#titles[@]} == ${#to[@]})) ||
    die "$1: each mutation needs a title, a line 'HEADER TEST', a line '- old' and a line '+ new'"
}

# run_test TEST FOLDER: compiles tests/TEST.cpp against FOLDER/include and runs it. 0: it passes; 1: it fails; 2: it does not compile;
# 3: it took more processor time than any of them should, or waited for ever.
run_test() {
  local status=0
  "${compile[@]}" -I"$2/include" -c "$root/tests/$1.cpp" -o "$2/test.o" >"$2/compile.log" 2>&1 || return 2
  "${compile[@]}" "$work/main.o" "$2/test.o" -o "$2/test" >"$2/compile.log" 2>&1 || return 2
  (ulimit -t 300 && cd "$2" && OMP_WAIT_POLICY=passive timeout 3600 ./test --abort) >"$2/test.log" 2>&1 || status=$?
  case $status in
    0) return 0 ;;
    124 | 137 | 152) return 3 ;;
    *) return 1 ;;
  esac
}

# mutated INDEX FOLDER: the header of FOLDER/include as mutation INDEX has it.
mutated() {
  local content
  content=$(<"$2/include/sysdpo/${headers[$1]}")
  [[ $content == *"${from[$1]}"* ]] || die "'${titles[$1]}': ${headers[$1]} has no '${from[$1]}' any more"
  [[ ${content#*"${from[$1]}"} != *"${from[$1]}"* ]] || die "'${titles[$1]}': ${headers[$1]} has '${from[$1]}' more than once"
  printf '%s\n' "${content/"${from[$1]}"/"${to[$1]}"}"
}
# break_it INDEX FOLDER: makes it.
break_it() {
  mutated "$1" "$2" >"$2/mutated" && mv "$2/mutated" "$2/include/sysdpo/${headers[$1]}"
}

# try INDEX: the outcome of a mutation, as a row of the table.
try() {
  local folder=$work/$1 outcome=survived status=0 start=$SECONDS
  mkdir "$folder"
  cp -R "$root/include" "$folder"
  break_it "$1" "$folder" || exit
  run_test "${tests[$1]}" "$folder" || status=$?
  ((status != 1)) || outcome=caught
  ((status != 2)) || outcome='does not compile'
  ((status != 3)) || outcome='caught, it hangs'
  printf '%-16s  %-26s  %s  (%d s)\n' "$outcome" "${tests[$1]}" "${titles[$1]}" $((SECONDS - start)) | tee "$work/$1.row"
  rm -r "$folder/include"
  rm -f "$folder/test" "$folder/test.o"
}

in_turn() { # COMMAND...: runs it beside the others, JOBS at a time
  while (($(jobs -rp | wc -l) >= jobs_at_once)); do wait -n || true; done
  "$@" &
}

read_list "$root/tests/mutations/mutations.txt"
chosen=()
declare -A wanted=()
for i in "${!titles[@]}"; do
  [[ "${titles[i]} ${headers[i]}" =~ $pattern ]] || continue
  chosen+=("$i")
  wanted[${tests[i]}]=1
done
((${#chosen[@]})) || die "no mutation matches '$pattern'"
if ((only_check)); then
  lost=0
  for i in "${chosen[@]}"; do (mutated "$i" "$root") >/dev/null || lost=1; done
  echo "${#chosen[@]} mutations looked at"
  exit "$lost"
fi

"${compile[@]}" -c "$root/tests/main.cpp" -o "$work/main.o"
unchanged() { # TEST
  local folder=$work/unchanged-${1//\//-}
  mkdir "$folder"
  ln -s "$root/include" "$folder/include"
  run_test "$1" "$folder" || echo "$1: see $folder" >>"$work/broken"
  rm -f "$folder/test" "$folder/test.o"
}
echo "${#wanted[@]} tests, which must pass on the unchanged headers"
for test in "${!wanted[@]}"; do in_turn unchanged "$test"; done
wait
[[ ! -e $work/broken ]] || die "tests fail without any mutation: $(<"$work/broken")"

echo "${#chosen[@]} mutations"
for i in "${chosen[@]}"; do in_turn try "$i"; done
wait
caught=$(cat "$work"/*.row | grep -c '^caught' || true)
echo "$caught of ${#chosen[@]} mutations are caught"
((caught == ${#chosen[@]}))
