# shellcheck shell=bash
# What tests/run.sh, examples/run.sh and benchmarks/run.sh share: source it.

# Where the repository is, and everything that a build needs, by Debian's and Ubuntu's names.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages=(g++ cmake ninja-build ccache catch2 libcli11-dev libeigen3-dev libfmt-dev libpng-dev libxtensor-dev nlohmann-json3-dev)
optional_packages=(libdnnl-dev libxsimd-dev)
# The clang that is tested, its sanitizers, and what makes their reports readable.
# shellcheck disable=SC2034
clang_packages=(clang-16 libclang-rt-16-dev llvm-16)

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Installs with apt what is missing of `packages` and `optional_packages`; a script adds to `packages` before.
install_packages() {
  local package missing=() optional=() tool
  if ! command -v apt-get >/dev/null; then
    for tool in cmake ninja; do
      command -v "$tool" >/dev/null || die "$tool is missing and there is no apt-get to install it with." \
        "Install what corresponds to these packages of Debian: ${packages[*]}"
    done
    return
  fi

  for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
  for package in "${optional_packages[@]}"; do is_installed "$package" || optional+=("$package"); done
  ((${#missing[@]} + ${#optional[@]})) || return 0

  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      ((${#missing[@]})) || return 0
      die "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    fi
    as_root=(sudo "${as_root[@]}")
  fi
  echo "Installing ${missing[*]} ${optional[*]}"
  "${as_root[@]}" apt-get -qq update </dev/null || echo "apt-get update failed; going on with the lists that are there" >&2
  if ((${#missing[@]})); then
    "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
      die "apt-get could not install ${missing[*]}; its message is above"
  fi
  for package in "${optional[@]}"; do
    "${as_root[@]}" apt-get -qq install -y --no-install-recommends "$package" </dev/null >/dev/null 2>&1 ||
      echo "$package is not to be had here: going on without it" >&2
  done
}

# build PRESET COMPILER TARGET...: configures, builds with one job a core, and sets `build_dir`. An empty COMPILER is the default one.
build() {
  local preset=$1 compiler=$2
  shift 2
  build_dir=$root/build/$preset${compiler:+-$(basename "$compiler")}
  (cd "$root" && cmake --preset "$preset" -B "$build_dir" ${compiler:+-DCMAKE_CXX_COMPILER="$compiler"}) ||
    die "configuring failed; cmake's message is above"
  cmake --build "$build_dir" --parallel "$(nproc)" --target "$@" || die "the build failed; the compiler's message is above"
}

# needs_argument OPTION ARGUMENTS: fails unless an argument follows OPTION.
needs_argument() { (($# >= 2)) || die "$1 needs an argument"; }

# package_of COMPILER: the package that a compiler such as clang++-16 comes in.
package_of() {
  local name
  name=$(basename "$1")
  case $name in
    clang++*) echo "clang${name#clang++}" ;;
    *) echo "$name" ;;
  esac
}

# The commit that the working tree is at, with a word where it was changed; elsewhere than in a clone, what bundle.sh wrote down.
commit_of_tree() {
  if git -C "$root" rev-parse --short=12 HEAD 2>/dev/null; then
    git -C "$root" diff --quiet HEAD -- include benchmarks tests || echo "and changes"
  elif [[ -e $root/build/gpu_bundle/commit ]]; then
    cat "$root/build/gpu_bundle/commit"
  else
    echo unknown
  fi | paste -sd' '
}
