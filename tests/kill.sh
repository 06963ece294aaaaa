#!/usr/bin/env bash
# kill.sh [MOMENTS [PROGRAM]]: kills a small training with SIGKILL at MOMENTS (20) moments that a seed draws, starts it again after each,
# and demands that what it leaves is bit for bit what an uninterrupted training leaves. PROGRAM is a built killable_training.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

moments=${1:-20} program=${2:-}
[[ $moments =~ ^[0-9]+$ ]] || die "what is $moments? Give a number of moments"
if [[ -z $program ]]; then
  install_packages
  build release '' killable_training
  program=$build_dir/tests/killable_training
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" "$work/whole"
compare() {
  diff -r --exclude=.lock "$work/whole" "$work/killed" || die "what is left after $killed kills differs from an uninterrupted training"
}

# A training that ends before its moment is compared, then another begins. Moments are counted only where something was killed.
RANDOM=7 killed=0 whole=0
declare -A steps=()
while ((killed < moments)); do
  "$program" "$work/killed" &
  child=$!
  sleep "0.$(printf '%04d' $((RANDOM % 4000)))"
  kill -KILL "$child" 2>/dev/null || true
  status=0
  { wait "$child" || status=$?; } 2>/dev/null
  if ((status == 137)); then
    killed=$((killed + 1))
    newest=$(find "$work/killed/run" -name 'step-*' ! -name '*.partial' 2>/dev/null | sort | tail -n 1)
    steps[${newest:-none}]=1
  elif ((status == 0)); then
    compare
    rm -r "$work/killed"
    whole=$((whole + 1))
  else
    die "the training ended with status $status after $killed kills"
  fi
done
"$program" "$work/killed"
compare
echo "$killed kills, behind ${#steps[@]} different checkpoints, in trainings that all ended bit for bit as the uninterrupted one: $((whole + 1))"
