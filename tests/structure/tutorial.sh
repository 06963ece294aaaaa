#!/usr/bin/env bash
# tutorial.sh INCLUDE_DIR: the tutorial's C++, block after block, must be the program examples/tutorial/main.cpp but for empty lines.
set -euo pipefail
root=$1/..
diff -B <(awk '/^```/ { inside = ($0 == "```cpp"); next } inside' "$root/docs/tutorial.md") "$root/examples/tutorial/main.cpp"
