#!/usr/bin/env bash
# Times the library beside PyTorch: installs what is missing (PyTorch, about 5 GB on disk, into build/peer), builds our side and
# writes results/peer.json. Arguments go to peer.py, such as `--modes eager` or `--threads 2`.
set -euo pipefail
# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/build.sh"

packages+=(python3 python3-dev python3-venv) # torch.compile builds C++ that includes Python.h
install_packages
build release '' peer
here=$root/benchmarks/peer
environment=$root/build/peer/venv
if ! cmp -s "$here/requirements.txt" "$environment/installed"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --no-cache-dir -r "$here/requirements.txt" || die "pip could not install PyTorch"
  cp "$here/requirements.txt" "$environment/installed"
fi
mkdir -p "$root/results"
export PYTHONDONTWRITEBYTECODE=1
"$environment/bin/python" "$here/peer.py" "$build_dir/benchmarks/peer/peer" "$root/results/peer.json" "$@"
echo
echo "The figures are in $root/results/peer.json"
