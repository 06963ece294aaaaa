#!/usr/bin/env bash
# reference.sh [FOLDER]: writes the API reference as HTML to FOLDER (build/reference), with README.md as its first page. Ends with an
# error if Doxygen warns of anything, such as something public without a comment.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/build.sh"

folder=${1:-$root/build/reference}
packages=(doxygen) optional_packages=()
install_packages
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$root"
{ cat docs/Doxyfile && printf 'OUTPUT_DIRECTORY = "%s"\n' "$folder"; } | doxygen - || die "the reference has the faults that stand above"
echo "$folder/html/index.html"
