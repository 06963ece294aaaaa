// What the process has on each GPU: one stream, one pool of memory, one ring of pinned memory for uploads.
// Made when a device is first used, and never destroyed: tensors in static storage may outlive any order of
// destruction.
//
// All work of all threads on a device goes to its one stream, and is done in the order in which it was
// issued. Hence a block of memory can be given back while kernels that use it are still under way: whoever
// takes it next is behind them in the stream. The stream does not wait for the legacy default stream, nor
// that for it.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "sysdpo/backend/cuda/captured_work.cuh"
#include "sysdpo/backend/cuda/status.cuh"
#include "sysdpo/backend/memory_pool.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo::cuda_detail {

/// The calling thread's current device.
[[nodiscard]] inline int current_device() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

/// How many devices there are; at least one. \throws error if there is none.
[[nodiscard]] inline int device_count() {
  static int const count = [] {
    int found = 0;
    check_cuda(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
    return found;
  }();
  return count;
}

/// Makes `device` the calling thread's current one. \throws error if there is no such device.
inline void use_device(int device) {
  auto const count = device_count();
  if (device < 0 || device >= count)
    fail({"CUDA", "device " + std::to_string(device), "this machine has " + std::to_string(count),
          "Devices count from 0; CUDA_VISIBLE_DEVICES chooses among them"});
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
}

/// Another current device until the end of the scope.
class device_scope {
 public:
  /// \throws error if there is no such device.
  explicit device_scope(int device) : previous_(current_device()) {
    if (device != previous_) use_device(device);
  }
  device_scope(device_scope const&) = delete;
  device_scope& operator=(device_scope const&) = delete;
  ~device_scope() { (void)cudaSetDevice(previous_); }

 private:
  int previous_;
};

/// A library's handles, one a device, destroyed by `Destroy`: each thread has its own.
template <class Handle, auto Destroy>
class device_handles {
 public:
  device_handles() = default;
  device_handles(device_handles const&) = delete;
  device_handles& operator=(device_handles const&) = delete;
  ~device_handles() {
    for (auto const& [device, handle] : of_) (void)Destroy(handle);
  }

  /// The current device's; `make(handle)` makes it when it is first asked for.
  template <class Make>
  [[nodiscard]] Handle current(Make const& make) {
    auto const device = current_device();
    if (auto const found = of_.find(device); found != of_.end()) return found->second;
    Handle handle = nullptr;
    try {
      make(handle);
    } catch (...) {
      if (handle != nullptr) (void)Destroy(handle);
      throw;
    }
    return of_[device] = handle;
  }

 private:
  std::unordered_map<int, Handle> of_;
};

/// Memory of the current device from the system.
struct memory_source {
  static constexpr std::size_t granularity = std::size_t{2} << 20;  ///< of cudaMalloc, above 1 MiB
  static void* allocate(std::size_t bytes);
  static void release(void* memory, std::size_t bytes) noexcept;
};

/// Uploads through pinned memory, so that neither does the host wait nor must the caller keep its memory: a
/// ring of slots, each with an event that says when the device has read it. The host waits only when a slot
/// comes round that the device has not read yet.
class upload_ring {
 public:
  upload_ring() = default;
  upload_ring(upload_ring const&) = delete;
  upload_ring& operator=(upload_ring const&) = delete;

  /// Uploads of any size go in pieces of up to 1 MiB.
  void upload(void* to, void const* from, std::size_t bytes, cudaStream_t stream) {
    std::scoped_lock const lock(mutex_);
    if (memory_ == nullptr) make();
    auto* target = static_cast<std::byte*>(to);
    auto const* source = static_cast<std::byte const*>(from);
    while (bytes != 0) {
      auto const piece = std::min(bytes, largest_piece);
      stage(target, source, piece, stream);
      target += piece;
      source += piece;
      bytes -= piece;
    }
  }

 private:
  static constexpr std::size_t slot_bytes = std::size_t{32} << 10;
  static constexpr std::size_t slots = 256;
  static constexpr std::size_t largest_piece = std::size_t{1} << 20;

  void make() {
    for (auto& event : events_)
      if (event == nullptr)
        check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, slots * slot_bytes, cudaHostAllocPortable), "cudaHostAlloc");
    memory_ = static_cast<std::byte*>(memory);
  }

  void stage(std::byte* to, std::byte const* from, std::size_t bytes, cudaStream_t stream) {
    auto const count = (bytes + slot_bytes - 1) / slot_bytes;
    if (next_ + count > slots) next_ = 0;
    auto const last = next_ + count - 1;
    for (auto slot = next_; slot <= last; ++slot) {
      // An event that was recorded once more since then says too late that the slot was read, never too
      // early.
      auto const reader = reader_[slot];
      if (slot == next_ || reader != reader_[slot - 1])
        check_cuda(cudaEventSynchronize(events_[reader]), "cudaEventSynchronize");
    }
    auto* const pinned = memory_ + next_ * slot_bytes;
    std::memcpy(pinned, from, bytes);
    check_cuda(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync to the device");
    check_cuda(cudaEventRecord(events_[last], stream), "cudaEventRecord");
    for (auto slot = next_; slot <= last; ++slot) reader_[slot] = last;
    next_ = (last + 1) % slots;
  }

  std::mutex mutex_;
  std::byte* memory_ = nullptr;
  std::size_t next_ = 0;
  std::array<cudaEvent_t, slots> events_{};
  std::array<std::size_t, slots> reader_{};  // of each slot: whose event says that it was read
};

/// The step that the calling thread records, or walks again, and on which device; null: none.
struct step_under_way {
  captured_work* work = nullptr;
  int device = 0;
};
[[nodiscard]] inline step_under_way& this_step() {
  thread_local step_under_way current;
  return current;
}

/// One device's.
struct device_state {
  int index = 0;
  cudaStream_t stream = nullptr;
  std::once_flag made;
  memory_pool<memory_source> pool;
  upload_ring uploads;
  std::mutex product_workspace_lock;
  memory_block* product_workspace = nullptr;
  std::atomic<std::thread::id> capturing;  // the thread that captures the stream; none: nobody does

  /// The step that the calling thread records or walks again, which then gets all that it issues; null: none.
  /// \throws error if it is a step of another device, or another thread captures the stream.
  [[nodiscard]] captured_work* recording() const {
    auto const& [work, device] = this_step();
    if (work != nullptr && device != index)
      fail({"recorded step", "device " + std::to_string(index),
            "the step that is recorded on device " + std::to_string(device) + " uses another one too",
            "Keep a step on one device"});
    auto const thread = capturing.load(std::memory_order_relaxed);
    if (work == nullptr && thread != std::thread::id{})
      fail({"CUDA", "device " + std::to_string(index), "another thread records a step there",
            "Record while no other thread uses the device"});
    return work;
  }

  /// Whether a call, which is `about` these addresses and numbers, is to be issued now.
  template <class... About>
  [[nodiscard]] bool is_to_issue(call const& which, About... about) const {
    auto* const work = recording();
    return work == nullptr || work->is_to_issue(which, about...);
  }

  /// \throws error where the calling thread records a step, which `what` cannot be part of.
  void refuse_in_step(char const* what, char const* remedy) const {
    if (recording() != nullptr) device_detail::refuse_in_recorded_step(what, remedy);
  }

  /// Waits for all work that was issued to the device.
  void wait() const {
    refuse_in_step("waiting for the device", "Read results after the replay");
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }
};

/// What the process has on `device`.
[[nodiscard]] inline device_state& state_of(int device) {
  static auto* const states = new std::vector<device_state>(static_cast<std::size_t>(device_count()));
  auto& state = (*states)[static_cast<std::size_t>(device)];
  std::call_once(state.made, [&] {
    state.index = device;
    device_scope const scope(device);
    check_cuda(cudaStreamCreateWithFlags(&state.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  });
  return state;
}
/// What it has on the current one.
[[nodiscard]] inline device_state& state() { return state_of(current_device()); }

/// A number of bytes, for messages.
[[nodiscard]] inline std::string mebibytes(std::size_t bytes) {
  auto const mebibyte = std::size_t{1} << 20;
  return std::to_string((bytes + mebibyte - 1) / mebibyte) + " MiB";
}

inline void* memory_source::allocate(std::size_t bytes) {
  auto& device = state();
  unguarded const while_allocating;
  void* memory = nullptr;
  auto const status = cudaMalloc(&memory, bytes);
  if (status == cudaSuccess) return memory;
  if (status != cudaErrorMemoryAllocation) check_cuda(status, "cudaMalloc");
  (void)cudaGetLastError();
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  auto const before = [&](std::size_t counted) { return mebibytes(counted - std::min(counted, bytes)); };
  fail({"GPU memory", "device " + std::to_string(device.index),
        mebibytes(bytes) + " were asked for; " + mebibytes(free) + " of " + mebibytes(total) +
            " are free, and this process's pool holds " + before(device.pool.held_bytes()) + ", of which " +
            before(device.pool.bytes_in_use()) + " are in use",
        "Use smaller batches, two-pass mode, checkpointed activations or a cached reference"});
}

inline void memory_source::release(void* memory, std::size_t /*bytes*/) noexcept {
  // Work that used the memory may be under way. Nothing can be done about errors here; the next call has
  // them.
  int device = 0;
  if (cudaGetDevice(&device) == cudaSuccess) (void)cudaStreamSynchronize(state_of(device).stream);
  (void)cudaFree(memory);
}

}  // namespace sysdpo::cuda_detail
