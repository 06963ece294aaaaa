// cuBLASLt's handle, statuses and number formats.
#pragma once

#include <cublasLt.h>

#include <string>
#include <type_traits>
#include <utility>

#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/core/scalar.hpp"

namespace sysdpo {

/// Turns a status of cuBLASLt into an exception that names the `call`, and what it was `about`.
inline void check_cublas(cublasStatus_t status, char const* call, std::string const& about = {}) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  auto const* const remedy =
      status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE
          ? "Check the shapes, or try a newer cuBLAS"
      : status == CUBLAS_STATUS_ALLOC_FAILED || status == CUBLAS_STATUS_NOT_INITIALIZED
          ? "Leave the libraries some of the GPU's memory, and check that cuBLAS fits the driver"
          : "Check the device and its driver; an error of an earlier kernel can show up here";
  fail({"cuBLASLt", about.empty() ? std::string(call) : std::string(call) + ", " + about,
        std::string(cublasLtGetStatusName(status)) + ", " + cublasLtGetStatusString(status), remedy});
}

namespace cuda_detail {

/// CUDA's name of a number format.
template <class T>
inline constexpr cudaDataType_t data_type = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, bf16> || std::is_same_v<T, half>);
  if constexpr (std::is_same_v<T, float>)
    return CUDA_R_32F;
  else if constexpr (std::is_same_v<T, bf16>)
    return CUDA_R_16BF;
  else
    return CUDA_R_16F;
}();

/// A number format in messages.
template <class T>
inline constexpr char const* format_name = std::is_same_v<T, float>  ? "float"
                                           : std::is_same_v<T, bf16> ? "bf16"
                                                                     : "half";

/// The power of 2 that divides an address, up to `limit`: what a library may assume of its alignment.
[[nodiscard]] inline unsigned alignment_of(void const* address, unsigned limit) {
  auto const bits = reinterpret_cast<std::uintptr_t>(address) | limit;
  return static_cast<unsigned>(bits & -bits);
}

/// This thread's handle for the current device, made when it is first asked for.
[[nodiscard]] inline cublasLtHandle_t cublas_handle() {
  thread_local device_handles<cublasLtHandle_t, cublasLtDestroy> made;
  return made.current(
      [](cublasLtHandle_t& handle) { check_cublas(cublasLtCreate(&handle), "cublasLtCreate"); });
}

/// What descriptors of cuBLASLt have in common: made by `Create`, destroyed by `Destroy`.
template <class Handle, cublasStatus_t (*Destroy)(Handle)>
class cublas_descriptor {
 public:
  cublas_descriptor() = default;
  explicit cublas_descriptor(Handle handle) : handle_(handle) {}
  cublas_descriptor(cublas_descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  cublas_descriptor& operator=(cublas_descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~cublas_descriptor() {
    if (handle_ != nullptr) (void)Destroy(handle_);
  }
  [[nodiscard]] Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

using matmul_descriptor = cublas_descriptor<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using matrix_descriptor = cublas_descriptor<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using preference_descriptor = cublas_descriptor<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

[[nodiscard]] inline matmul_descriptor make_matmul(cublasComputeType_t compute) {
  cublasLtMatmulDesc_t made = nullptr;
  check_cublas(cublasLtMatmulDescCreate(&made, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
  return matmul_descriptor(made);
}
template <class Value>
void set(matmul_descriptor const& descriptor, cublasLtMatmulDescAttributes_t attribute, Value const& value) {
  check_cublas(cublasLtMatmulDescSetAttribute(descriptor.get(), attribute, &value, sizeof value),
               "cublasLtMatmulDescSetAttribute");
}

/// `rows` × `columns` in column-major order without gaps.
[[nodiscard]] inline matrix_descriptor make_matrix(cudaDataType_t type, index_t rows, index_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), rows),
               "cublasLtMatrixLayoutCreate");
  return matrix_descriptor(made);
}

[[nodiscard]] inline preference_descriptor make_preference() {
  cublasLtMatmulPreference_t made = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  return preference_descriptor(made);
}
template <class Value>
void set(preference_descriptor const& descriptor, cublasLtMatmulPreferenceAttributes_t attribute,
         Value const& value) {
  check_cublas(cublasLtMatmulPreferenceSetAttribute(descriptor.get(), attribute, &value, sizeof value),
               "cublasLtMatmulPreferenceSetAttribute");
}

}  // namespace cuda_detail

}  // namespace sysdpo
