# How this project compiles its own tests, examples and benchmarks. None of it reaches the users of sysdpo::sysdpo.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# The best level that this machine runs: its programs are built where they run. Tests under sanitizers name the lower one, so that
# both are tested.
set(default_arch "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(default_arch x86-64-v3)
  if(NOT DEFINED SYSDPO_ARCH AND NOT CMAKE_CROSSCOMPILING)
    include(CheckCXXSourceRuns)
    check_cxx_source_runs(
      [[int main() {
          return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ? 0 : 1;
        }]]
      SYSDPO_HAS_AVX512)
    if(SYSDPO_HAS_AVX512)
      set(default_arch x86-64-v4)
    endif()
  endif()
endif()
set(SYSDPO_ARCH "${default_arch}" CACHE STRING "-march of tests, examples and benchmarks; native or empty will do")
set(SYSDPO_SANITIZE "" CACHE STRING "Sanitizers of tests, examples and benchmarks: address,undefined")

option(SYSDPO_FUZZ "Configure the fuzz targets, which need clang; tests/fuzz/run.sh builds them" OFF)

find_program(SYSDPO_CCACHE ccache)
mark_as_advanced(SYSDPO_CCACHE)
if(SYSDPO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for with precompiled headers; the rest lets two checkouts share results.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SYSDPO_CCACHE})
endif()

add_library(sysdpo_warnings INTERFACE)
target_compile_options(
  sysdpo_warnings
  INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wpedantic
            # False alarms of g++ 12 about code that it inlines from system headers.
            $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict>)
if(SYSDPO_ARCH MATCHES "v4|native")
  # One more, about its own intrinsics of AVX-512.
  target_compile_options(sysdpo_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
endif()

# Instrumented code makes g++ warn of paths that do not exist; there, warnings are for reading.
if(SYSDPO_SANITIZE)
  target_compile_options(sysdpo_warnings INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Werror>)
else()
  target_compile_options(sysdpo_warnings INTERFACE -Werror)
endif()

add_library(sysdpo_code_generation INTERFACE)
if(SYSDPO_ARCH)
  # Tuning stays generic: what -march=native implies for recent AMD machines costs a fifth of Eigen's speed.
  target_compile_options(sysdpo_code_generation INTERFACE -march=${SYSDPO_ARCH} -mtune=generic)
endif()
if(SYSDPO_SANITIZE)
  target_compile_options(sysdpo_code_generation INTERFACE -fsanitize=${SYSDPO_SANITIZE} -fno-sanitize-recover=all
                                                          -fno-omit-frame-pointer)
  target_link_options(sysdpo_code_generation INTERFACE -fsanitize=${SYSDPO_SANITIZE})
endif()

# Everything that the project builds for itself links this one target.
add_library(sysdpo_development INTERFACE)
target_link_libraries(sysdpo_development INTERFACE sysdpo::sysdpo sysdpo_warnings sysdpo_code_generation)
