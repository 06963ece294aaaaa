// NVIDIA GPUs as a backend. Each thread has a current device (`use_device`, `device_scope`; 0 at first), and
// everything here speaks of that one: tensors made while a device is current live there, and are used while
// it is current.
//
// All work on a device is done in the order in which it was issued, whichever thread did (device.cuh); the
// host waits for it in `download` and `synchronize` alone. Errors of kernels show up there.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/backend/cuda/device.cuh"
#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/backend/device/reports.hpp"

namespace sysdpo {

namespace cuda_detail {

/// Memory that host and device share, for reports.
struct report_memory {
  static std::int64_t* allocate(std::size_t numbers) {
    unguarded const while_allocating;
    void* memory = nullptr;
    // With unified addressing, as every 64-bit system has it, its address is the same on either side.
    check_cuda(
        cudaHostAlloc(&memory, numbers * sizeof(std::int64_t), cudaHostAllocMapped | cudaHostAllocPortable),
        "cudaHostAlloc");
    return static_cast<std::int64_t*>(memory);
  }
  static void release(std::int64_t* memory) noexcept { (void)cudaFreeHost(memory); }
  static void wait() { state().wait(); }
};

/// A thread's reports, a list for each device that it used.
struct thread_reports {
  std::map<int, report_list<report_memory>> of;

  thread_reports() = default;
  thread_reports(thread_reports const&) = delete;
  thread_reports& operator=(thread_reports const&) = delete;
  /// Kernels may still write to the slots of a thread that ends.
  ~thread_reports() {
    for (auto const& [device, list] : of)
      if (list.size() != 0) (void)cudaStreamSynchronize(state_of(device).stream);
  }
};

}  // namespace cuda_detail

/// NVIDIA GPUs.
struct cuda {
  static constexpr char const* name = "cuda";
  static constexpr bool runs_kernels = true;
  static constexpr bool is_synchronous = false;
  static constexpr index_t wanted_blocks = 2048;  ///< of a launch: 16 for each multiprocessor of the largest
  static constexpr std::size_t memory_granularity = cuda_detail::memory_source::granularity;
  static constexpr std::size_t library_bytes = std::size_t{32} << 20;  ///< of products, on each device

  /// Another current device until the end of the scope.
  using device_scope = cuda_detail::device_scope;

  /// How many devices this machine has. \throws error if none that can be used.
  [[nodiscard]] static int device_count() { return cuda_detail::device_count(); }
  /// The calling thread's current device.
  [[nodiscard]] static int device() { return cuda_detail::current_device(); }
  /// Makes `device` the calling thread's current one. \throws error if there is no such device.
  static void use_device(int device) { cuda_detail::use_device(device); }
  /// The current device's stream, for work that is issued by other means, at once: ask again each time. A
  /// step that issues such work can be recorded and replayed, but not updated: an update ends here. \throws
  /// error while another thread captures it.
  [[nodiscard]] static cudaStream_t stream() {
    auto& state = cuda_detail::state();
    if (auto* const work = state.recording()) work->refuse_to_follow();
    return state.stream;
  }

  /// The pools of memory, one a device. A block goes back to the pool that it came from; all else is about
  /// the current device (memory_pool.hpp).
  struct memory_pools {
    [[nodiscard]] memory_block* take(std::size_t bytes) const {
      auto& state = cuda_detail::state();
      (void)state.recording();  // nobody else takes memory from a device while a step is recorded there
      auto* const block = state.pool.take(bytes);
      block->device = state.index;
      return block;
    }
    void give_back(memory_block* block) const noexcept {
      cuda_detail::state_of(block->device).pool.give_back(block);
    }
    void trim() const { cuda_detail::state().pool.trim(); }
    [[nodiscard]] std::uint64_t system_allocations() const {
      return cuda_detail::state().pool.system_allocations();
    }
    [[nodiscard]] std::size_t bytes_in_use() const { return cuda_detail::state().pool.bytes_in_use(); }
    [[nodiscard]] std::size_t peak_bytes() const { return cuda_detail::state().pool.peak_bytes(); }
    [[nodiscard]] std::size_t bytes_when_refused() const {
      return cuda_detail::state().pool.bytes_when_refused();
    }
    [[nodiscard]] std::size_t held_bytes() const { return cuda_detail::state().pool.held_bytes(); }
    void reset_peak() const { cuda_detail::state().pool.reset_peak(); }
    void set_limit(std::size_t bytes) const { cuda_detail::state().pool.set_limit(bytes); }
  };
  static memory_pools& memory() {
    static memory_pools pools;
    return pools;
  }

  /// `bytes` bytes within the current device's memory.
  static void copy(void* to, void const* from, std::size_t bytes) {
    auto& state = cuda_detail::state();
    if (bytes != 0 && state.is_to_issue(cuda_detail::copy_call, to, from, bytes))
      check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state.stream),
                 "cudaMemcpyAsync within the device");
  }
  /// The host's memory may be used again when it returns, before the device has it.
  static void upload(void* to, void const* from, std::size_t bytes) {
    if (bytes == 0) return;
    auto& state = cuda_detail::state();
    if (auto* const work = state.recording())
      work->upload(to, from, bytes, state.stream);
    else
      state.uploads.upload(to, from, bytes, state.stream);
  }
  /// Waits. \throws error for what kernels issued before by this thread found wrong.
  static void download(void* to, void const* from, std::size_t bytes) {
    auto& state = cuda_detail::state();
    state.refuse_in_step("a download", "Read results after the replay");
    if (bytes != 0)
      check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, state.stream),
                 "cudaMemcpyAsync to the host");
    synchronize();
  }
  /// `bytes` bytes of zeros.
  static void zero(void* to, std::size_t bytes) {
    auto& state = cuda_detail::state();
    if (bytes != 0 && state.is_to_issue(cuda_detail::zero_call, to, bytes))
      check_cuda(cudaMemsetAsync(to, 0, bytes, state.stream), "cudaMemsetAsync");
  }
  /// Waits for all work on the current device. \throws error for what kernels issued before by this thread
  /// found wrong.
  static void synchronize() {
    cuda_detail::state().wait();
    reports().evaluate();
  }

  /// Issues all blocks of a kernel, in order with the work issued before.
  template <kernel::kernel Kernel>
  static void launch(typename Kernel::arguments const& arguments) {
    auto& state = cuda_detail::state();
    if (auto* const work = state.recording())
      work->launch<Kernel>(arguments, state.stream);
    else
      sysdpo::launch<Kernel>(arguments, state.stream);
  }

  /// What this thread's kernels on the current device report (backend/device/reports.hpp).
  [[nodiscard]] static report_list<cuda_detail::report_memory>& reports() {
    thread_local cuda_detail::thread_reports lists;
    return lists.of[device()];
  }

  /// What recorded_step (backend/recorded_step.hpp) asks for.
  class step_recorder {
   public:
    using pool = memory_pool<cuda_detail::memory_source>;
    using reservation = pool::reservation;
    using report_entries = std::vector<report_list<cuda_detail::report_memory>::entry>;

    [[nodiscard]] pool& memory() const { return state().pool; }
    [[nodiscard]] report_list<cuda_detail::report_memory>& reports() const { return *reports_; }

    void begin_recording() {
      enter();
      state().capturing = std::this_thread::get_id();
      try {
        work_.begin(state().stream);
      } catch (...) {
        leave();
        throw;
      }
    }
    void end_recording() {
      leave();
      work_.end(state().stream);
    }
    void abandon() noexcept {
      leave();
      cuda_detail::captured_work::abandon(state().stream);
    }

    void begin_update() {
      enter();
      try {
        work_.begin_walk();
      } catch (...) {
        leave();
        throw;
      }
    }
    bool end_update() noexcept {
      leave();
      return work_.end_walk();
    }

    void replay() {
      device_scope const scope(state().index);
      state().refuse_in_step("a replay", "Replay one step after the other instead");
      work_.replay(state().stream);
    }

   private:
    [[nodiscard]] cuda_detail::device_state& state() const { return *state_; }

    /// What this thread issues goes to the work, until it leaves.
    void enter() {
      state().refuse_in_step("another recording", "Record one step after the other instead");
      cuda_detail::this_step() = {&work_, state().index};
    }
    void leave() noexcept {
      cuda_detail::this_step() = {};
      auto own = std::this_thread::get_id();
      state().capturing.compare_exchange_strong(own, std::thread::id{});
    }

    cuda_detail::device_state* state_ = &cuda_detail::state();
    report_list<cuda_detail::report_memory>* reports_ = &cuda::reports();  // this thread's
    cuda_detail::captured_work work_;
  };

  /// Lets products and convolutions of float round their operands to TF32, 10 bits of fraction, which is
  /// several times faster. For the whole process; off at first.
  static void allow_tf32(bool allowed) { tf32().store(allowed, std::memory_order_relaxed); }
  [[nodiscard]] static bool tf32_allowed() { return tf32().load(std::memory_order_relaxed); }

 private:
  static std::atomic<bool>& tf32() {
    static std::atomic<bool> allowed{false};
    return allowed;
  }
};

static_assert(kernel_backend<cuda>);

}  // namespace sysdpo
