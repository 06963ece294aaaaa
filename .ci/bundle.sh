#!/usr/bin/env bash
# Collects the headers of other libraries, and the commit's name, in build/gpu_bundle: for a machine that has a GPU, nvcc and this
# working tree with that folder in it, and reaches no network. tests/gpu.sh and benchmarks/gpu.sh look there for what is missing.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

bundle=$root/build/gpu_bundle
rm -rf "$bundle"
mkdir -p "$bundle/include"
# Where packages put a library's folder of headers, and what it is called.
for folder in eigen3/Eigen xtensor xtl fmt nlohmann catch2 CLI; do
  found=''
  for prefix in /usr/local/include /usr/include; do
    [[ -z $found && -d $prefix/$folder ]] && found=$prefix/$folder
  done
  [[ -n $found ]] || die "there is no $folder among this machine's headers; tests/run.sh installs what is missing"
  cp -rL "$found" "$bundle/include/"
done
# Version 3 of Catch2 is more than headers.
if [[ -e $bundle/include/catch2/catch_all.hpp ]]; then
  mkdir "$bundle/lib"
  find /usr/local/lib /usr/lib -name libCatch2.a -exec cp {} "$bundle/lib/" \;
  [[ -e $bundle/lib/libCatch2.a ]] || die "Catch2 is version 3, and there is no libCatch2.a"
fi
commit_of_tree >"$bundle/commit"
echo "$bundle: $(du -sh "$bundle" | cut -f1), commit $(<"$bundle/commit")"
