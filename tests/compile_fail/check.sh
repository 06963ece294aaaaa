#!/usr/bin/env bash
# check.sh SOURCE COMPILER [FLAG]...: passes when COMPILER refuses SOURCE with an output in which some line matches each of the
# extended regular expressions that SOURCE gives in lines "// expect: REGEX".
set -euo pipefail

source=$1
compiler=("${@:2}")

mapfile -t expected < <(sed -n 's|^// expect: ||p' "$source")
if ((${#expected[@]} == 0)); then
  echo "$source has no line '// expect: REGEX'"
  exit 1
fi

if output=$("${compiler[@]}" -std=c++20 -fsyntax-only "$source" 2>&1); then
  echo "$source compiled, but must not"
  exit 1
fi

missing=0
for regex in "${expected[@]}"; do
  if ! grep -qE -- "$regex" <<<"$output"; then
    echo "no line of the compiler's output matches: $regex"
    missing=1
  fi
done
((missing == 0)) || printf '%s\n' "--- the compiler's output:" "$output"
exit "$missing"
