// y[n, ..., c] = x[n, ..., c] + rows[n, c] on the CPU. y may alias x.
#pragma once

#include "sysdpo/backend/cpu/elementwise.hpp"

namespace sysdpo {

struct add_rows_op;

template <>
struct implement<add_rows_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> rows, array_view<T> y) {
    auto const channels = x.extents[-1];
    for_each_image(x.extents, [&](index_t n, index_t pixels) {
      cpu_detail::const_array_map<T> const row(rows.data + n * channels, channels);
      for (auto p = n * pixels; p < (n + 1) * pixels; ++p)
        cpu_detail::array_map<T>(y.data + p * channels, channels) =
            cpu_detail::const_array_map<T>(x.data + p * channels, channels) + row;
    });
  }

  /// dx = dy, drows = the sum of dy over the places of each image, where wanted.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx, gradient_view<T> drows) {
    implement<add_op, cpu>::backward(dy, dx);
    if (!drows) return;
    auto const channels = dy.extents[-1];
    for_each_image(dy.extents, [&](index_t n, index_t pixels) {
      cpu_detail::array_map<T> sum(drows.data + n * channels, channels);
      if (!drows.accumulate) sum.setZero();
      for (auto p = n * pixels; p < (n + 1) * pixels; ++p)
        sum += cpu_detail::const_array_map<T>(dy.data + p * channels, channels);
    });
  }

 private:
  /// body(image, pixels of an image)
  template <class Body>
  static void for_each_image(shape const& extents, Body&& body) {
    auto const pixels = extents.rows() / std::max<index_t>(extents[0], 1);
    parallel_for(extents[0], 1 + cpu_detail::elementwise_grain / (pixels * extents[-1] + 1),
                 [&](index_t begin, index_t end) {
                   for (auto n = begin; n < end; ++n) body(n, pixels);
                 });
  }
};

}  // namespace sysdpo
