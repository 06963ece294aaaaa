// Sums over packed sequences on the CPU. x [N], offsets [count + 1], y [count].
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct segment_sum_op;

template <>
struct implement<segment_sum_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<std::int32_t const> offsets, array_view<T> y) {
    for (index_t i = 0; i < y.size(); ++i) {
      double sum = 0;
      for (index_t n = offsets[i]; n < offsets[i + 1]; ++n) sum += static_cast<double>(x[n]);
      y[i] = static_cast<T>(sum);
    }
  }

  /// dx[n] = dy of n's sequence.
  template <class T>
  static void backward(array_view<std::int32_t const> offsets, array_view<T const> dy, gradient_view<T> dx) {
    if (!dx) return;
    for (index_t i = 0; i < dy.size(); ++i)
      for (index_t n = offsets[i]; n < offsets[i + 1]; ++n)
        cpu_detail::store(dx.data[n], dx.accumulate, dy[i]);
  }
};

}  // namespace sysdpo
