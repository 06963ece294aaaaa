# cmake --install: the headers and a package for find_package(sysdpo). Nothing has to be built for it.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Header-only, hence the same for every architecture: share/cmake, not lib/cmake.
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/sysdpo)
install(TARGETS sysdpo EXPORT sysdpo FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILE_SET cuda_headers
                                     DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT sysdpo NAMESPACE sysdpo:: FILE sysdpo_targets.cmake DESTINATION ${package_dir})
configure_package_config_file(.cmake/sysdpo-config.cmake.in ${PROJECT_BINARY_DIR}/sysdpo-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/sysdpo-config-version.cmake
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/sysdpo-config.cmake ${PROJECT_BINARY_DIR}/sysdpo-config-version.cmake
              .cmake/optional_dependencies.cmake DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
