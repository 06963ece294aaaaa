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
#define SYSDPO_DEVICE __device__
#define SYSDPO_PRAGMA(text) _Pragma(#text)
#define SYSDPO_UNROLL _Pragma("unroll")
#define SYSDPO_UNROLL_BY(times) SYSDPO_PRAGMA(unroll times)
#define SYSDPO_UNROLL_ON_CPU(times)
#else
/// Marks functions that run on the host and, under nvcc, on the device too.
#define SYSDPO_HOST_DEVICE
/// Marks the bodies of kernels: device code under nvcc; elsewhere ordinary code, which the emulator runs.
#define SYSDPO_DEVICE
/// Before a loop over registers, whose numbers must be known while compiling.
#define SYSDPO_UNROLL
/// Before a loop of a kernel whose passes are better done so many at a time.
#define SYSDPO_UNROLL_BY(times)
/// A pragma whose text has a macro's arguments.
#define SYSDPO_PRAGMA(text) _Pragma(#text)
/// Before a loop of the CPU backend that is faster when unrolled; nvcc does not know the pragma.
#define SYSDPO_UNROLL_ON_CPU(times) SYSDPO_PRAGMA(GCC unroll times)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SYSDPO_ADDRESS_SANITIZER 1
#elif defined(__SANITIZE_THREAD__)
#define SYSDPO_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SYSDPO_ADDRESS_SANITIZER 1
#elif __has_feature(thread_sanitizer)
#define SYSDPO_THREAD_SANITIZER 1
#endif
#endif
#ifndef SYSDPO_ADDRESS_SANITIZER
/// 1 under the address sanitizer, which must be told of stacks that code makes itself.
#define SYSDPO_ADDRESS_SANITIZER 0
#endif
#ifndef SYSDPO_THREAD_SANITIZER
/// 1 under the thread sanitizer, likewise.
#define SYSDPO_THREAD_SANITIZER 0
#endif

#ifndef SYSDPO_WITH_ONEDNN
/// 1 makes the CPU backend use oneDNN for matrix products. The build system sets it where oneDNN is found;
/// without it Eigen alone does the work.
#define SYSDPO_WITH_ONEDNN 0
#endif

#ifndef SYSDPO_LARGEST_HEAD
/// The most elements that a head of attention may have on kernels, 256 at most: a program for GPUs whose
/// heads are smaller says so in all of its files, and compiles in less time.
#define SYSDPO_LARGEST_HEAD 256
#endif
