// Every macro of the library, in one place. Nothing else defines a macro that a user can see.
#pragma once

/// The version of the library, major.minor.patch.
#define SYSDPO_VERSION_MAJOR 0
/// The second number of the version.
#define SYSDPO_VERSION_MINOR 1
/// The third number of the version.
#define SYSDPO_VERSION_PATCH 0

#if defined(__CUDACC__)
#define SYSDPO_HOST_DEVICE __host__ __device__
#else
/// Marks functions that run on the host and, under nvcc, on the device too.
#define SYSDPO_HOST_DEVICE
#endif

#ifndef SYSDPO_WITH_ONEDNN
/// 1 makes the CPU backend use oneDNN for matrix products. The build system sets it where oneDNN is found;
/// without it Eigen alone does the work.
#define SYSDPO_WITH_ONEDNN 0
#endif
