// Sums over packed sequences by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/log_softmax_gather.hpp"
#include "sysdpo/kernel/positions.hpp"

namespace sysdpo {

struct segment_sum_op;

template <kernel_backend Backend>
struct implement<segment_sum_op, Backend> {
  static void forward(array_view<float const> x, array_view<std::int32_t const> offsets,
                      array_view<float> y) {
    Backend::template launch<kernel::sequence_sum>(
        {.values = x.data, .offsets = offsets.data, .sequences = sequences(y.size()), .sums = y.data});
  }

  /// dx[n] = dy of n's sequence.
  static void backward(array_view<std::int32_t const> offsets, array_view<float const> dy,
                       gradient_view<float> dx) {
    if (!dx) return;
    Backend::template launch<kernel::spread>({.offsets = offsets.data,
                                              .dy = dy.data,
                                              .sequences = sequences(dy.size()),
                                              .total = dx.size(),
                                              .dx = dx.data,
                                              .accumulate = dx.accumulate});
  }

 private:
  static int sequences(index_t count) { return device_detail::narrow("segment_sum", count); }
};

}  // namespace sysdpo
