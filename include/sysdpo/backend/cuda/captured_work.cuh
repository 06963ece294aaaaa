// The work of a step as a CUDA graph: captured from the stream, and kept with what is needed to replay it on
// other data, the node and the arguments of each kernel, and pinned memory for what is uploaded. Calls of
// libraries, copies and zeros are replayed as they were captured.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/backend/cuda/status.cuh"
#include "sysdpo/backend/device/work_list.hpp"

namespace sysdpo::cuda_detail {

/// Calls that are no kernels of this library, told apart by address.
struct call {};
inline constexpr call copy_call, zero_call, upload_call, product_call, convolution_call, sort_call;

/// Allows this thread for a while what a capture under way forbids: taking memory is no part of it.
class unguarded {
 public:
  unguarded() {
    check_cuda(cudaThreadExchangeStreamCaptureMode(&mode_), "cudaThreadExchangeStreamCaptureMode");
  }
  unguarded(unguarded const&) = delete;
  unguarded& operator=(unguarded const&) = delete;
  ~unguarded() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// Memory that the device can read at any time, for as long as the object lives.
class pinned_memory {
 public:
  pinned_memory() = default;
  pinned_memory(pinned_memory const&) = delete;
  pinned_memory& operator=(pinned_memory const&) = delete;
  ~pinned_memory() {
    for (auto* const chunk : chunks_) (void)cudaFreeHost(chunk);
  }

  /// `bytes` bytes that nobody else gets.
  [[nodiscard]] std::byte* take(std::size_t bytes) {
    if (bytes > left_) add_chunk(std::max(bytes, std::size_t{1} << 20));
    auto* const taken = next_;
    auto const rounded = std::min(left_, (bytes + 15) / 16 * 16);
    next_ += rounded;
    left_ -= rounded;
    return taken;
  }

 private:
  void add_chunk(std::size_t bytes) {
    unguarded const while_allocating;
    chunks_.reserve(chunks_.size() + 1);
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc");
    chunks_.push_back(memory);
    next_ = static_cast<std::byte*>(memory);
    left_ = bytes;
  }

  std::vector<void*> chunks_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

/// The work of a step. `stream` is always the one that it is captured from.
class captured_work {
 public:
  captured_work() = default;
  captured_work(captured_work const&) = delete;
  captured_work& operator=(captured_work const&) = delete;
  ~captured_work() {
    if (replayed_ != nullptr) {
      (void)cudaEventSynchronize(replayed_);  // a replay under way reads what is uploaded
      (void)cudaEventDestroy(replayed_);
    }
    if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
    if (graph_ != nullptr) (void)cudaGraphDestroy(graph_);
  }

  // Capture. Other threads may go on with other devices meanwhile.

  void begin(cudaStream_t stream) {
    check_cuda(cudaEventCreateWithFlags(&replayed_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  }
  void end(cudaStream_t stream) {
    check_cuda(cudaStreamEndCapture(stream, &graph_), "cudaStreamEndCapture");
    check_cuda(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
    check_cuda(cudaGraphUpload(executable_, stream), "cudaGraphUpload");
  }
  /// Ends it whatever happened.
  static void abandon(cudaStream_t stream) noexcept {
    cudaGraph_t discarded = nullptr;
    if (cudaStreamEndCapture(stream, &discarded) == cudaSuccess && discarded != nullptr)
      (void)cudaGraphDestroy(discarded);
    (void)cudaGetLastError();
  }

  // The step is walked again.

  /// Waits until replays have read what was uploaded for them.
  void begin_walk() {
    check_cuda(cudaEventSynchronize(replayed_), "cudaEventSynchronize");
    next_upload_ = 0;
    work_.begin_walk();
  }
  /// Whether all of the work came.
  bool end_walk() noexcept { return work_.end_walk(); }
  /// Work is issued by other means: nobody can tell whether it is the same. \throws other_work in a walk.
  void refuse_to_follow() {
    if (work_.is_walked()) work_.refuse();
  }

  void replay(cudaStream_t stream) {
    check_cuda(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch");
    check_cuda(cudaEventRecord(replayed_, stream), "cudaEventRecord");
  }

  // What a step issues, while it is captured or walked.

  template <kernel::kernel Kernel>
  void launch(typename Kernel::arguments const& arguments, cudaStream_t stream) {
    auto const blocks = blocks_of<Kernel>(arguments);
    if (blocks == 0) return;
    auto* const function = reinterpret_cast<void*>(entry<Kernel>);
    if (!work_.is_walked()) {
      sysdpo::launch<Kernel>(arguments, stream);
      work_.note(function, arguments);
      nodes_.push_back(last_node(stream));
      return;
    }
    auto const [number, changed] = work_.follow(function, arguments);
    if (!changed) return;
    auto copy = arguments;
    void* pointers[] = {&copy};
    cudaKernelNodeParams node{};
    node.func = function;
    node.gridDim = dim3(blocks);
    node.blockDim = dim3(Kernel::threads);
    node.sharedMemBytes = shared_bytes<Kernel>;
    node.kernelParams = pointers;
    check_cuda(cudaGraphExecKernelNodeSetParams(executable_, nodes_[number], &node),
               "cudaGraphExecKernelNodeSetParams");
  }

  /// Whether a call is to be issued now. \throws other_work if it is another one than was captured, or speaks
  /// of other things: addresses, sizes and flags, `about`.
  template <class... About>
  [[nodiscard]] bool is_to_issue(call const& which, About... about) {
    std::array<std::uint64_t, sizeof...(About)> const key{number_of(about)...};
    if (!work_.is_walked()) {
      work_.note(&which, key);
      nodes_.push_back(nullptr);
      return true;
    }
    if (work_.follow(&which, key).second) work_.refuse();
    return false;
  }

  /// The host's memory may be used again when it returns.
  void upload(void* to, void const* from, std::size_t bytes, cudaStream_t stream) {
    if (work_.is_walked() && next_upload_ == uploads_.size()) work_.refuse();
    if (!work_.is_walked()) uploads_.push_back(pinned_.take(bytes));
    auto* const staged = work_.is_walked() ? uploads_[next_upload_++] : uploads_.back();
    bool const is_new = is_to_issue(upload_call, to, bytes);
    std::memcpy(staged, from, bytes);
    if (is_new)
      check_cuda(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, stream),
                 "cudaMemcpyAsync to the device");
  }

 private:
  template <class Number>
  [[nodiscard]] static std::uint64_t number_of(Number number) {
    if constexpr (std::is_pointer_v<Number>)
      return reinterpret_cast<std::uint64_t>(number);
    else
      return static_cast<std::uint64_t>(number);
  }

  /// What was captured last.
  [[nodiscard]] static cudaGraphNode_t last_node(cudaStream_t stream) {
    cudaStreamCaptureStatus status{};
    cudaGraphNode_t const* nodes = nullptr;
    std::size_t count = 0;
#if CUDART_VERSION >= 13000
    check_cuda(cudaStreamGetCaptureInfo(stream, &status, nullptr, nullptr, &nodes, nullptr, &count),
               "cudaStreamGetCaptureInfo");
#else
    check_cuda(cudaStreamGetCaptureInfo_v2(stream, &status, nullptr, nullptr, &nodes, &count),
               "cudaStreamGetCaptureInfo");
#endif
    if (count != 1)
      fail({"CUDA", "capture of a kernel", "the stream goes on from " + std::to_string(count) + " nodes",
            "Let no other stream join this one while a step is recorded"});
    return nodes[0];
  }

  device_detail::work_list<void const*> work_;
  std::vector<cudaGraphNode_t> nodes_;  // of kernels; null for other work
  pinned_memory pinned_;
  std::vector<std::byte*> uploads_;  // where they are read from
  std::size_t next_upload_ = 0;      // of a walk
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  cudaEvent_t replayed_ = nullptr;
};

}  // namespace sysdpo::cuda_detail
