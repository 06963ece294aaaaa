// The CPU as a backend: host memory, 64-byte aligned; all transfers are plain copies.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/backend/cpu/parallel.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// The CPU: memory of the host, threads of one pool.
struct cpu {
  static constexpr char const* name = "cpu";

  /// Memory from the system, in whole cache lines.
  struct source {
    /// \throws error if the system has none.
    static void* allocate(std::size_t bytes) {
      auto* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
      if (memory == nullptr)
        fail({"CPU memory", "", "the system refused " + std::to_string(bytes >> 20) + " MiB",
              "Use smaller batches or the two-pass mode"});
      return memory;
    }
    static void release(void* memory, std::size_t) noexcept { std::free(memory); }
  };

  /// Never destroyed: tensors in static storage may outlive any order of destruction.
  static memory_pool<source>& memory() {
    static auto* const pool = new memory_pool<source>;
    return *pool;
  }

  /// Ops share out rows over the threads.
  static int concurrency() { return cpu_threads(); }

  /// `bytes` bytes within the memory of the backend.
  static void copy(void* to, void const* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  static void upload(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
  static void download(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
  /// `bytes` bytes of zeros.
  static void zero(void* to, std::size_t bytes) {
    if (bytes != 0) std::memset(to, 0, bytes);
  }
};

static_assert(backend<cpu>);

}  // namespace sysdpo
