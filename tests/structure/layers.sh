#!/usr/bin/env bash
# layers.sh INCLUDE_DIR: passes when no header includes one from a floor above its own, model and policy know nothing of each
# other, and each third-party library stays in its quarter.
set -euo pipefail
cd "$1"

declare -A floor=([core]=0 [graph]=1 [kernel]=2 [backend]=3 [tensor]=4 [io]=5 [text]=5 [op]=6 [model]=7 [policy]=7 [loss]=8
  [optim]=9 [train]=10)

failures=0
report() {
  echo "$1 includes $2: $3"
  failures=$((failures + 1))
}

check_own() { # HEADER FOLDER INCLUDED
  local other=${3#sysdpo/}
  other=${other%%/*}
  if [[ ! -v floor[$other] ]]; then
    report "$1" "$3" "it lies on no floor"
  elif ((floor[$other] > floor[$2])); then
    report "$1" "$3" "$other lies above $2"
  elif [[ "$2 $other" == "model policy" || "$2 $other" == "policy model" ]]; then
    report "$1" "$3" "model and policy are siblings"
  fi
}

check_foreign() { # HEADER FOLDER INCLUDED
  case $3 in
    Eigen/* | unsupported/Eigen/*)
      [[ $1 == sysdpo/backend/cpu/* || $1 == sysdpo/io/eigen.hpp ]] || report "$1" "$3" "Eigen stays in backend/cpu" ;;
    xtensor/* | xtl/* | xsimd/*)
      [[ ! $2 =~ ^(core|graph|kernel|tensor|op)$ ]] || report "$1" "$3" "xtensor is for the people's side" ;;
    fmt/*)
      [[ ! $2 =~ ^(core|graph|kernel|backend|tensor|op)$ ]] || report "$1" "$3" "fmt is for the people's side" ;;
    nlohmann/*)
      [[ $2 =~ ^(io|train)$ ]] || report "$1" "$3" "JSON is read and written in io and train" ;;
  esac
}

while read -r header; do
  folder=${header#sysdpo/}
  folder=${folder%%/*}
  if [[ ! -v floor[$folder] ]]; then
    report "$header" "nothing yet" "its folder lies on no floor"
    continue
  fi
  while read -r included; do
    case $included in
      \"sysdpo/* | \<sysdpo/*) check_own "$header" "$folder" "${included:1:-1}" ;;
      \"*) check_own "$header" "$folder" "$(realpath -m --relative-to=. "$(dirname "$header")/${included:1:-1}")" ;;
      *) check_foreign "$header" "$folder" "${included:1:-1}" ;;
    esac
  done < <(sed -nE 's/^ *# *include *([<"][^>"]+[>"]).*$/\1/p' "$header")
done < <(find sysdpo -name '*.hpp' -o -name '*.cuh' | sort)

exit $((failures > 0))
