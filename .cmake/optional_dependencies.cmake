# What sysdpo uses where it is found, decided on the machine that compiles: by this project's build, and again by
# find_package(sysdpo) in a project that uses the installed library.

set(SYSDPO_ONEDNN AUTO CACHE STRING "oneDNN for matrix products: AUTO (where it is found), ON or OFF")
set_property(CACHE SYSDPO_ONEDNN PROPERTY STRINGS AUTO ON OFF)

# Sets `targets` to the names of the targets that bring the optional dependencies.
function(sysdpo_optional_dependencies targets)
  set(found "")
  # xtensor's own package defines this target where xsimd is installed.
  if(TARGET xtensor::use_xsimd)
    list(APPEND found xtensor::use_xsimd)
  endif()

  # Not find_package(dnnl): its package demands OpenCL's development files, which nothing here needs.
  if(SYSDPO_ONEDNN STREQUAL "AUTO" OR SYSDPO_ONEDNN)
    find_path(SYSDPO_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
    find_library(SYSDPO_ONEDNN_LIBRARY dnnl)
    mark_as_advanced(SYSDPO_ONEDNN_INCLUDE_DIR SYSDPO_ONEDNN_LIBRARY)
    if(SYSDPO_ONEDNN_INCLUDE_DIR AND SYSDPO_ONEDNN_LIBRARY)
      if(NOT TARGET sysdpo::onednn)
        add_library(sysdpo::onednn INTERFACE IMPORTED)
        target_include_directories(sysdpo::onednn INTERFACE ${SYSDPO_ONEDNN_INCLUDE_DIR})
        # Debian's oneDNN runs on GNU's OpenMP, which is told to leave the threads to this library.
        target_link_libraries(sysdpo::onednn INTERFACE ${SYSDPO_ONEDNN_LIBRARY} gomp)
        target_compile_definitions(sysdpo::onednn INTERFACE SYSDPO_WITH_ONEDNN=1)
      endif()
      list(APPEND found sysdpo::onednn)
    elseif(NOT SYSDPO_ONEDNN STREQUAL "AUTO")
      message(FATAL_ERROR "sysdpo: SYSDPO_ONEDNN is ON, but oneDNN was not found. Install it (Debian, Ubuntu: "
                          "libdnnl-dev), name its folder in CMAKE_PREFIX_PATH, or set SYSDPO_ONEDNN to AUTO or OFF.")
    endif()
  endif()
  set(${targets} "${found}" PARENT_SCOPE)
endfunction()

set(SYSDPO_CUDA AUTO CACHE STRING "The target sysdpo::cuda: AUTO (where the CUDA toolkit and cuDNN are found), ON or OFF")
set_property(CACHE SYSDPO_CUDA PROPERTY STRINGS AUTO ON OFF)

# Makes sysdpo::cuda for programs that train on a GPU: sysdpo::sysdpo, and what its .cuh headers take to compile and link. The
# language CUDA is the program's own to enable. `scope` is GLOBAL, or empty: where the target can be seen.
function(sysdpo_cuda_target scope)
  if(TARGET sysdpo::cuda OR NOT (SYSDPO_CUDA STREQUAL "AUTO" OR SYSDPO_CUDA))
    return()
  endif()
  find_package(CUDAToolkit 12 QUIET)
  if(CUDAToolkit_FOUND)
    find_path(SYSDPO_CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
    find_library(SYSDPO_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
    mark_as_advanced(SYSDPO_CUDNN_INCLUDE_DIR SYSDPO_CUDNN_LIBRARY)
  endif()
  if(NOT (TARGET CUDA::cublasLt AND SYSDPO_CUDNN_INCLUDE_DIR AND SYSDPO_CUDNN_LIBRARY))
    if(NOT SYSDPO_CUDA STREQUAL "AUTO")
      message(FATAL_ERROR "sysdpo: SYSDPO_CUDA is ON, but the CUDA toolkit from version 12 on, with cuBLASLt, or cuDNN was not found. "
                          "Put nvcc on the PATH or name the toolkit's folder in CUDAToolkit_ROOT and cuDNN's in CMAKE_PREFIX_PATH, "
                          "or set SYSDPO_CUDA to AUTO or OFF.")
    endif()
    return()
  endif()

  add_library(sysdpo::cuda INTERFACE IMPORTED ${scope})
  # The runtime that CMake links .cu files with, or there would be two.
  set(runtime_is_shared "$<STREQUAL:$<UPPER_CASE:$<TARGET_PROPERTY:CUDA_RUNTIME_LIBRARY>>,SHARED>")
  target_link_libraries(
    sysdpo::cuda INTERFACE sysdpo::sysdpo $<IF:${runtime_is_shared},CUDA::cudart,CUDA::cudart_static> CUDA::cublasLt
                           ${SYSDPO_CUDNN_LIBRARY})
  target_include_directories(sysdpo::cuda SYSTEM INTERFACE ${SYSDPO_CUDNN_INCLUDE_DIR})
  # CMake 3.25 does not know yet that nvcc takes C++20. A program's own CUDA_STANDARD goes first.
  set(standard_is_open "$<STREQUAL:$<TARGET_PROPERTY:CUDA_STANDARD>,>")
  # 20012 is about marks of Eigen's that change nothing, 20208 about the standard library's long double, which no kernel uses.
  target_compile_options(
    sysdpo::cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;SHELL:-diag-suppress 20012,20208>"
                           $<$<AND:$<COMPILE_LANGUAGE:CUDA>,${standard_is_open}>:-std=c++20>)
  # nvcc takes fmt's constants for run-time values otherwise.
  target_compile_definitions(sysdpo::cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1>)
endfunction()
