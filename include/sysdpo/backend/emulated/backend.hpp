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
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// Kernels on the CPU, by emulation. Work is done when a call returns.
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

  static void copy(void* to, void const* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  static void upload(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
  static void download(void* to, void const* from, std::size_t bytes) {
    reports().evaluate();
    copy(to, from, bytes);
  }
  static void zero(void* to, std::size_t bytes) {
    if (bytes != 0) std::memset(to, 0, bytes);
  }

  /// Runs all blocks of a kernel, in the order of this thread's `how()`.
  template <kernel::kernel Kernel>
  static void launch(typename Kernel::arguments const& arguments) {
    emulate<Kernel>(arguments, how());
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
};

static_assert(kernel_backend<emulated>);

}  // namespace sysdpo
