# shellcheck shell=bash
# What tests/gpu.sh and benchmarks/gpu.sh share: source it. It installs nothing: GPU machines often reach no network.

# shellcheck source=.ci/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

bundle=$root/build/gpu_bundle
minutes=9 # for all of a script; what is left then is not begun

# find_gpu WHAT [build-only]: sets `architecture`. 77, and a word about WHAT, where there is no nvcc, or no GPU and more to do than to
# build. SYSDPO_GPU_ARCH overrides what the GPU says.
find_gpu() {
  command -v nvcc >/dev/null || skip "no nvcc here: $1"
  architecture=${SYSDPO_GPU_ARCH:-}
  if [[ ${2:-} == build-only ]]; then
    architecture=${architecture:-sm_90a}
    return
  fi
  nvidia-smi -L 2>/dev/null | grep GPU || skip "no GPU here: $1"
  local driver toolkit
  driver=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\).*/\1/p' | head -1)
  toolkit=$(nvcc --version | sed -n 's/.*release \([0-9]*\).*/\1/p')
  ((${driver:-999} >= ${toolkit:-0})) || die "the GPU's driver is one for CUDA $driver, nvcc makes programs for CUDA $toolkit: use an nvcc of CUDA $driver or a newer driver"
  [[ -z $architecture ]] || return 0
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d '. ')
  case $capability in
    90 | 100 | 103 | 120) architecture=sm_${capability}a ;; # with what only this chip can do
    [0-9]*) architecture=sm_$capability ;;
    *) architecture=native ;;
  esac
}

skip() {
  echo "$1"
  exit 77
}

# has_header FLAG... -- HEADER...: whether the compiler finds one of the headers.
has_header() {
  local flags=() condition=0
  while [[ $1 != -- ]]; do flags+=("$1") && shift; done
  shift
  for header in "$@"; do condition+=" || __has_include(<$header>)"; done
  printf '#if !(%s)\n#error missing\n#endif\n' "$condition" | g++ -std=c++20 "${flags[@]}" -E -x c++ - >/dev/null 2>&1
}

# find_headers: sets `headers`, the flags by which the other libraries' headers are found, and `libraries`, what programs are linked with.
find_headers() {
  local lacking=''
  headers=(-isystem /usr/include/eigen3)
  has_header "${headers[@]}" -- catch2/catch.hpp catch2/catch_all.hpp || lacking+=' Catch2'
  for header in Eigen/Core xtensor/xtensor.hpp fmt/format.h nlohmann/json.hpp CLI/CLI.hpp; do
    has_header "${headers[@]}" -- "$header" || lacking+=" ${header%%/*}"
  done
  if [[ -n $lacking && -d $bundle/include ]]; then
    echo "from build/gpu_bundle, since this machine lacks some of it:$lacking"
    headers=(-isystem "$bundle/include")
  elif [[ -n $lacking ]]; then
    echo "lacking:$lacking. What needs it will not compile; .ci/bundle.sh collects it where it is installed"
  fi
  libraries=(-lcublasLt)
  [[ ! -e $bundle/lib ]] || libraries+=(-L "$bundle/lib")
  ! has_header "${headers[@]}" -- catch2/catch_session.hpp || libraries+=(-lCatch2)
  ! can_link -lcudnn || libraries+=(-lcudnn)
}

# can_link LIBRARY: whether the linker finds it, beside the toolkit too.
can_link() {
  local program status=0
  program=$(mktemp)
  g++ -x c++ - -L"$(dirname "$(command -v nvcc)")/../lib64" "$1" -o "$program" <<<'int main() {}' 2>/dev/null || status=1
  rm -f "$program"
  return "$status"
}

# find_cudnn PYTHON: programs find cuDNN among PYTHON's packages where the machine has it nowhere else.
find_cudnn() {
  local folder
  ! ldconfig -p 2>/dev/null | grep -q 'libcudnn\.so\.9' || return 0
  folder=$("$1" -c 'import importlib.util as u; print(u.find_spec("nvidia.cudnn").submodule_search_locations[0])' 2>/dev/null) || return 0
  [[ ! -e $folder/lib/libcudnn.so.9 ]] || export LD_LIBRARY_PATH=$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# nvcc_flags OPTIMISATION: sets `flags`, by which all .cu files, and tests that are compiled as such, are compiled, `code`, with
# which their programs are linked, and `made_with`, what of it programs depend on: all but the folders of headers.
nvcc_flags() {
  # Not -arch=sm_90a, by which nvcc compiles everything for compute_90 too.
  code=(-gencode "arch=compute_${architecture#sm_},code=$architecture")
  [[ $architecture != native ]] || code=(-arch=native)
  flags=(-std=c++20 "$1" "${code[@]}" -lineinfo --expt-relaxed-constexpr -diag-suppress=20012 -diag-suppress=20208 -DFMT_HEADER_ONLY
    -DFMT_USE_CONSTEXPR=1)
  # shellcheck disable=SC2034 # those who source this use it
  made_with="${flags[*]}"
  flags+=(-I"$root/include" "${headers[@]}")
}

# Programs travel: they are made on one machine and run on another. Beside each lies its recipe: what it was made with, MADE_WITH, and the
# checksums of this project's files that it was made from.
write_recipe() { # PROGRAM MADE_WITH DEPENDENCIES...: make rules that name them
  {
    echo "# $2"
    sed 's/^[^:]*://; s/\\$//' "${@:3}" | tr ' ' '\n' | grep . | xargs realpath --relative-to="$root" |
      grep -v '^[.][.]' | sort -u | (cd "$root" && xargs sha256sum)
  } >"$1.recipe"
}
is_up_to_date() { # PROGRAM MADE_WITH
  [[ -x $1 && -e $1.recipe && $(head -1 "$1.recipe") == "# $2" ]] && (cd "$root" && sed 1d "$1.recipe" | sha256sum --check --status)
}

# Waits until a core is free for another job of the background.
wait_for_core() { while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done; }

# What is left of the script's time, in seconds.
seconds_left() { echo $((60 * minutes - SECONDS)); }
