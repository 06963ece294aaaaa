// cuDNN's handle, statuses, and the descriptors of its graph interface.
#pragma once

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/backend/cuda/backend.cuh"

namespace sysdpo {

/// Turns a status of cuDNN into an exception that names the `call`, and what it was `about`.
inline void check_cudnn(cudnnStatus_t status, std::string const& call, std::string const& about = {}) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> detail{};
  cudnnGetLastErrorString(detail.data(), detail.size() - 1);
  auto const category = CUDNN_STATUS_CATEGORY(static_cast<int>(status));
  auto const* const remedy =
      category == CUDNN_STATUS_NOT_SUPPORTED || category == CUDNN_STATUS_BAD_PARAM
          ? "Check the shapes, or try a newer cuDNN"
          : "Check that cuDNN fits the driver and has memory; an error of an earlier kernel can show up here";
  fail({"cuDNN", about.empty() ? call : call + ", " + about,
        std::string(cudnnGetErrorString(status)) + (detail[0] == 0 ? "" : std::string(", ") + detail.data()),
        remedy});
}

namespace cuda_detail {

/// This thread's handle for the current device and its stream, made when it is first asked for.
[[nodiscard]] inline cudnnHandle_t cudnn_handle() {
  thread_local device_handles<cudnnHandle_t, cudnnDestroy> made;
  return made.current([](cudnnHandle_t& handle) {
    check_cudnn(cudnnCreate(&handle), "cudnnCreate");
    check_cudnn(cudnnSetStream(handle, state().stream), "cudnnSetStream");
  });
}

/// cuDNN's names of the types that attributes have here.
template <class Value>
inline constexpr auto attribute_type = nullptr;
template <>
inline constexpr auto attribute_type<std::int64_t> = CUDNN_TYPE_INT64;
template <>
inline constexpr auto attribute_type<float> = CUDNN_TYPE_FLOAT;
template <>
inline constexpr auto attribute_type<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
inline constexpr auto attribute_type<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <>
inline constexpr auto attribute_type<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;
template <>
inline constexpr auto attribute_type<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
inline constexpr auto attribute_type<void*> = CUDNN_TYPE_VOID_PTR;

/// One descriptor: made, given its attributes, finished, and then used.
class cudnn_descriptor {
 public:
  explicit cudnn_descriptor(cudnnBackendDescriptorType_t type) {
    check_cudnn(cudnnBackendCreateDescriptor(type, &handle_), "cudnnBackendCreateDescriptor");
  }
  cudnn_descriptor(cudnn_descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  cudnn_descriptor& operator=(cudnn_descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~cudnn_descriptor() {
    if (handle_ != nullptr) (void)cudnnBackendDestroyDescriptor(handle_);
  }

  template <class Value>
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, Value const* values, std::size_t count) {
    check_cudnn(cudnnBackendSetAttribute(handle_, name, attribute_type<Value>,
                                         static_cast<std::int64_t>(count), values),
                "cudnnBackendSetAttribute " + std::to_string(static_cast<int>(name)));
    return *this;
  }
  template <class Value>
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, Value const& value) {
    return set(name, &value, 1);
  }
  template <class Value, std::size_t N>
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, std::array<Value, N> const& values) {
    return set(name, values.data(), N);
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, cudnn_descriptor const& other) {
    check_cudnn(cudnnBackendSetAttribute(handle_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.handle_),
                "cudnnBackendSetAttribute " + std::to_string(static_cast<int>(name)));
    return *this;
  }

  /// A number that the library worked out.
  [[nodiscard]] std::int64_t number(cudnnBackendAttributeName_t name) const {
    std::int64_t value = 0;
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_INT64, 1, &count, &value),
                "cudnnBackendGetAttribute " + std::to_string(static_cast<int>(name)));
    return value;
  }

  /// As many descriptors of `type` as the library has to give.
  [[nodiscard]] std::vector<cudnn_descriptor> descriptors(cudnnBackendAttributeName_t name,
                                                          cudnnBackendDescriptorType_t type) const {
    auto const call = "cudnnBackendGetAttribute " + std::to_string(static_cast<int>(name));
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                call);
    std::vector<cudnn_descriptor> made;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (std::int64_t i = 0; i < count; ++i) handles.push_back(made.emplace_back(type).handle_);
    std::int64_t given = 0;
    check_cudnn(
        cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &given, handles.data()),
        call);
    made.erase(made.begin() + std::min(given, count), made.end());
    return made;
  }

  /// The one descriptor of `type` that the library has to give.
  [[nodiscard]] cudnn_descriptor descriptor(cudnnBackendAttributeName_t name,
                                            cudnnBackendDescriptorType_t type) const {
    cudnn_descriptor made(type);
    std::int64_t given = 0;
    check_cudnn(
        cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &given, &made.handle_),
        "cudnnBackendGetAttribute " + std::to_string(static_cast<int>(name)));
    return made;
  }

  /// What an engine says of its numbers.
  [[nodiscard]] std::vector<cudnnBackendNumericalNote_t> numerical_notes() const {
    std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(handle_, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                         CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data()),
                "cudnnBackendGetAttribute of an engine's numerical notes");
    notes.resize(static_cast<std::size_t>(count));
    return notes;
  }

  /// Whether the library accepts what was set.
  [[nodiscard]] cudnnStatus_t try_to_finish() { return cudnnBackendFinalize(handle_); }
  void finish(char const* what, std::string const& about = {}) {
    check_cudnn(try_to_finish(), std::string("cudnnBackendFinalize of ") + what, about);
  }

  [[nodiscard]] cudnnBackendDescriptor_t get() const { return handle_; }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

}  // namespace cuda_detail

}  // namespace sysdpo
