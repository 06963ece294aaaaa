// The emulator as a backend: every operation of a model runs its GPU kernel on the CPU, thread by thread, so
// that models, policies, losses and trainings prove the kernels before a GPU does. A thousand times slower
// than a CPU.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/backend/device/reports.hpp"
#include "sysdpo/backend/emulated/emulator.hpp"
#include "sysdpo/backend/emulated/recorded_work.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// Kernels on the CPU, by emulation. Work is done when a call returns, unless it is recorded.
struct emulated {
  static constexpr char const* name = "emulated";
  static constexpr bool runs_kernels = true;
  static constexpr bool is_synchronous = true;
  static constexpr index_t wanted_blocks = 6;  ///< of a launch: few, but so that rows are shared out too

  /// Memory from the system, aligned as a GPU's is.
  struct source {
    /// \throws error if the system has none.
    static void* allocate(std::size_t bytes) {
      auto* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
      if (memory == nullptr)
        fail({"emulated memory", "", "the system refused " + std::to_string(bytes >> 20) + " MiB",
              "Use smaller batches"});
      return memory;
    }
    static void release(void* memory, std::size_t) noexcept { std::free(memory); }
  };

  /// Blocks come full of NaN: what an operation leaves out shows.
  struct pool : memory_pool<source> {
    [[nodiscard]] memory_block* take(std::size_t bytes) {
      auto* const block = memory_pool<source>::take(bytes);
      std::memset(block->data, 0xff, block->bytes);
      return block;
    }
  };
  /// Never destroyed: tensors in static storage may outlive any order of destruction.
  static pool& memory() {
    static auto* const one = new pool;
    return *one;
  }

  /// Does `Work(arguments)`: at once, or whenever the step is done that this thread records.
  template <auto Work, class Arguments>
  static void issue(Arguments const& arguments) {
    if (auto* const recorded = recording())
      recorded->issue<Work>(arguments);
    else
      Work(arguments);
  }

  static void copy(void* to, void const* from, std::size_t bytes) {
    if (bytes != 0) issue<emulated_detail::recorded_work::copy>(transfer{to, from, bytes});
  }
  static void upload(void* to, void const* from, std::size_t bytes) {
    if (bytes == 0) return;
    if (auto* const recorded = recording())
      recorded->upload(to, from, bytes);
    else
      std::memcpy(to, from, bytes);
  }
  static void download(void* to, void const* from, std::size_t bytes) {
    refuse_in_step("a download", "Read results after the replay");
    reports().evaluate();
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  static void zero(void* to, std::size_t bytes) {
    if (bytes != 0) issue<fill>(transfer{to, nullptr, bytes});
  }

  /// Runs all blocks of a kernel, in the order of this thread's `how()`.
  template <kernel::kernel Kernel>
  static void launch(typename Kernel::arguments const& arguments) {
    issue<run<Kernel>>(arguments);
  }

  /// The order in which this thread emulates.
  static emulation& how() {
    static thread_local emulation chosen;
    return chosen;
  }

  struct report_memory {
    static std::int64_t* allocate(std::size_t numbers) {
      return static_cast<std::int64_t*>(source::allocate(numbers * sizeof(std::int64_t)));
    }
    static void release(std::int64_t* memory) noexcept { std::free(memory); }
    static void wait() {}
  };
  /// What kernels found wrong.
  static report_list<report_memory>& reports() {
    static thread_local report_list<report_memory> list;
    return list;
  }

  /// What recorded_step (backend/recorded_step.hpp) asks for.
  class step_recorder {
   public:
    using reservation = pool::reservation;
    using report_entries = std::vector<report_list<report_memory>::entry>;

    [[nodiscard]] static pool& memory() { return emulated::memory(); }
    [[nodiscard]] static report_list<report_memory>& reports() { return emulated::reports(); }

    void begin_recording() {
      refuse_in_step("another recording", "Record one step after the other instead");
      recording() = &work_;
    }
    static void end_recording() { recording() = nullptr; }
    static void abandon() noexcept { recording() = nullptr; }
    void begin_update() {
      begin_recording();
      work_.begin_walk();
    }
    bool end_update() noexcept {
      recording() = nullptr;
      return work_.end_walk();
    }
    void replay() {
      refuse_in_step("a replay", "Replay one step after the other instead");
      work_.run();
    }

   private:
    emulated_detail::recorded_work work_;
  };

 private:
  using transfer = emulated_detail::recorded_work::transfer;

  static void fill(transfer const& given) { std::memset(given.to, 0, given.bytes); }
  template <kernel::kernel Kernel>
  static void run(typename Kernel::arguments const& arguments) {
    emulate<Kernel>(arguments, how());
  }

  static void refuse_in_step(char const* what, char const* remedy) {
    if (recording() != nullptr) device_detail::refuse_in_recorded_step(what, remedy);
  }

  /// Where this thread's work is written down instead of done; null: nowhere.
  static emulated_detail::recorded_work*& recording() {
    static thread_local emulated_detail::recorded_work* current = nullptr;
    return current;
  }
};

static_assert(kernel_backend<emulated>);

}  // namespace sysdpo
