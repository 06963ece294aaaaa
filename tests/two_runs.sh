#!/usr/bin/env bash
# two_runs.sh PROGRAM: of two trainings (a built killable_training) on one folder the second is refused, and the first ends undisturbed.
set -euo pipefail
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" "$work/whole"
"$program" "$work/shared" &
first=$!
until compgen -G "$work/shared/run/step-*" >/dev/null; do sleep 0.001; done
kill -STOP "$first"
status=0
"$program" "$work/shared" 2>"$work/message" || status=$?
kill -CONT "$first"
cat "$work/message"
((status == 1)) && grep -q "another run is using it" "$work/message"
wait "$first"
diff -r --exclude=.lock "$work/whole" "$work/shared"
