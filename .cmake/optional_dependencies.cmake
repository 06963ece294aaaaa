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
