// Every macro of the library, in one place. Nothing else defines a macro that a user can see.
#pragma once

#define SYSDPO_VERSION_MAJOR 0
#define SYSDPO_VERSION_MINOR 1
#define SYSDPO_VERSION_PATCH 0

// Marks functions that run on the host and, under nvcc, on the device too.
#if defined(__CUDACC__)
#define SYSDPO_HOST_DEVICE __host__ __device__
#else
#define SYSDPO_HOST_DEVICE
#endif

// SYSDPO_WITH_ONEDNN=1 makes the CPU backend use oneDNN for matrix products. The build system
// sets it where oneDNN is found; without it Eigen alone does the work.
#ifndef SYSDPO_WITH_ONEDNN
#define SYSDPO_WITH_ONEDNN 0
#endif
