// x + one row an image by kernels.
#pragma once

#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/kernel/add_rows.hpp"

namespace sysdpo {

struct add_rows_op;

template <kernel_backend Backend>
struct implement<add_rows_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> rows, array_view<T> y) {
    if (y.size() == 0) return;
    Backend::template launch<kernel::add_rows<T>>(
        {.x = x.data,
         .rows = rows.data,
         .images = y.extents[0],
         .places = places(y.extents),
         .channels = device_detail::narrow("add_rows", y.extents[-1]),
         .y = y.data});
  }

  /// dx = dy, drows = the sum of dy over the places of each image, where wanted.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx, gradient_view<T> drows) {
    implement<add_op, Backend>::backward(dy, dx);
    device_detail::column_sums<Backend>(dy.extents[0], places(dy.extents), dy.extents[-1], dy.data, drows);
  }

 private:
  static index_t places(shape const& x) { return x[0] == 0 ? 0 : x.rows() / x[0]; }
};

}  // namespace sysdpo
