// The backend that counts memory (backend/planned.hpp) for backends of kernels: their operations run as they
// are, so that the working memory they take is counted too, but nothing is launched. Not counted is what a
// GPU's library takes while a convolution runs, which nobody knows before it is asked: 512 MiB at most, if it
// can do with that.
//
// An operation of one's own needs `implement<…>` for `planned_on<Backend>`, or is written for every
// kernel_backend.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sysdpo/backend/device.hpp"
#include "sysdpo/backend/planned.hpp"

namespace sysdpo {

struct conv2d_op;

/// Counts what `Backend` would take.
template <kernel_backend Backend>
struct planned_on : planned {
  static constexpr char const* name = "planned";
  static constexpr bool runs_kernels = true;
  static constexpr bool is_synchronous = true;
  static constexpr index_t wanted_blocks = Backend::wanted_blocks;
  static constexpr std::size_t library_bytes = sysdpo::library_bytes<Backend>;

  /// Addresses in pieces as the backend has them.
  struct source : planned::source {
    static constexpr std::size_t granularity = memory_granularity<Backend>;
  };
  /// A pool for each thread.
  static memory_pool<source>& memory() {
    static thread_local memory_pool<source> pool;
    return pool;
  }

  template <class Kernel>
  static void launch(typename Kernel::arguments const&) {}

  struct no_reports {
    static std::int64_t* take(auto const&) { return nullptr; }
    static void evaluate() {}
  };
  static no_reports& reports() {
    static no_reports none;
    return none;
  }
};

template <kernel_backend Backend>
struct planned_of_backend<Backend> {
  using type = planned_on<Backend>;
};

template <kernel_backend Backend>
struct implement<product_op, planned_on<Backend>> {
  static void forward(auto const&...) {}
};

template <kernel_backend Backend>
struct implement<sort_ids_op, planned_on<Backend>> {
  static void forward(auto const&...) {}
};

/// Weights are packed for the time of a call.
template <kernel_backend Backend>
struct implement<conv2d_op, planned_on<Backend>> {
  template <class T>
  static void forward(array_view<T const>, array_view<T const> w, array_view<T const>, array_view<T>, index_t,
                      index_t) {
    scratch_of<planned_on<Backend>, T> const packed(w.size());
  }
  template <class T>
  static void backward(array_view<T const>, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T>, gradient_view<T> dbias, index_t, index_t) {
    auto const outputs = w.extents[0];
    device_detail::column_sums<planned_on<Backend>>(1, dy.size() / std::max<index_t>(outputs, 1), outputs,
                                                    dy.data, dbias);
    scratch_of<planned_on<Backend>, T> const packed(w.size());
    scratch_of<planned_on<Backend>, T> const sum(dx.accumulate ? dx.size() : 0);
  }
};

}  // namespace sysdpo
