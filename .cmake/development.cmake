# How this project compiles its own tests, examples and benchmarks. None of it reaches the users of sysdpo::sysdpo.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

set(default_arch "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(default_arch x86-64-v3)
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
            $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict>)

# Instrumented code makes g++ warn of paths that do not exist; there, warnings are for reading.
if(NOT SYSDPO_SANITIZE)
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
