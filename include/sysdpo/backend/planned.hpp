// A backend that computes nothing: its tensors have a shape and an address but no memory behind it, and its
// pool counts what they would take. Running a training step on it tells the step's memory before a byte of it
// exists (train/estimate.hpp).
//
// Every op of the library is covered by one partial specialisation; an op of one's own is too if its
// functions have the usual names. Reading an element is an error: addresses are reserved without access, so
// that it ends in a fault instead of a wrong number. Tensors read back as zeros.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <string>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// The backend that counts memory and computes nothing.
struct planned {
  static constexpr char const* name = "planned";
  static constexpr bool holds_values = false;

  /// Addresses without memory.
  struct source {
    /// \throws error if the system has no addresses left.
    static void* allocate(std::size_t bytes) {
      auto* const address =
          mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (address == MAP_FAILED)
        fail({"planned memory", "",
              "the system refused to reserve " + std::to_string(bytes >> 20) + " MiB of addresses",
              "Raise the limit on virtual memory (ulimit -v), or estimate a smaller batch"});
      return address;
    }
    static void release(void* address, std::size_t bytes) noexcept { munmap(address, bytes); }
  };

  /// A pool for each thread: what one estimate counts is its own.
  static memory_pool<source>& memory() {
    static thread_local memory_pool<source> pool;
    return pool;
  }

  static void copy(void*, void const*, std::size_t) {}
  static void upload(void*, void const*, std::size_t) {}
  /// Zeros: there is nothing to read.
  static void download(void* to, void const*, std::size_t bytes) {
    if (bytes != 0) std::memset(to, 0, bytes);
  }
  static void zero(void*, std::size_t) {}
};

static_assert(backend<planned> && !holds_values<planned>);

/// The backend that counts what `Backend` would take: for most of them `planned`, whose operations take
/// nothing for themselves.
template <class Backend>
struct planned_of_backend {
  using type = planned;
};
template <class Backend>
using planned_of = typename planned_of_backend<Backend>::type;

/// Every op, doing nothing.
template <class Op>
struct implement<Op, planned> {
  static void forward(auto const&...) {}
  static void backward(auto const&...) {}
  static void loss(auto const&...) {}
  static void log_ratio(auto const&...) {}
};

}  // namespace sysdpo
