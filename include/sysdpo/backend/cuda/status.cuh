// The statuses of the CUDA runtime as errors of this library. Those of cuBLASLt and cuDNN: cublas.cuh,
// cudnn.cuh, so that a .cu file that only launches kernels needs neither.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "sysdpo/core/error.hpp"

namespace sysdpo {

namespace cuda_detail {

/// What helps against a status.
[[nodiscard]] inline char const* remedy_for(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
    case cudaErrorSystemDriverMismatch:
      return "Run it where nvidia-smi lists a GPU whose driver is as new as the toolkit, or use the CPU "
             "backend";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      return "Compile for this GPU: sm_80 or later, by CMAKE_CUDA_ARCHITECTURES or nvcc -arch";
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureIsolation:
      return "A step that is recorded must neither wait for the device nor ask the system for "
             "memory: run it once in the ordinary way first, and read results after the replay";
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorLaunchFailure:
      return "A kernel issued before failed, and the device is lost to this process: run it again with "
             "CUDA_LAUNCH_BLOCKING=1, or under compute-sanitizer, to see which";
    default:
      return "Check the device and its driver; an error of an earlier kernel can show up here";
  }
}

}  // namespace cuda_detail

/// Turns a status of the CUDA runtime into an exception that names the `call`.
inline void check_cuda(cudaError_t status, char const* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // reported: it is not the next launch's
  fail({"CUDA", call, std::string(cudaGetErrorName(status)) + ", " + cudaGetErrorString(status),
        cuda_detail::remedy_for(status)});
}

}  // namespace sysdpo
