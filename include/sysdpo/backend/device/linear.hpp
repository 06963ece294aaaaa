// y = x·Wᵀ + b by the library's products.
#pragma once

#include "sysdpo/backend/device/column_sums.hpp"

namespace sysdpo {

struct linear_op;

template <kernel_backend Backend>
struct implement<linear_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias,
                      array_view<T> y) {
    auto const rows = y.extents.rows();
    product::forward(matrix_view<T const>{x.data, rows, w.extents[1]},
                     matrix_view<T const>{w.data, w.extents[0], w.extents[1], true}, bias.data,
                     matrix_view<T>{y.data, rows, w.extents[0]}, false);
  }

  /// dx = dy·W, dw = dyᵀ·x, dbias = Σ_n dy, each where wanted.
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dw, gradient_view<T> dbias) {
    auto const outputs = w.extents[0];
    auto const inputs = w.extents[1];
    auto const rows = inputs == 0 ? dy.extents.rows() : x.size() / inputs;
    matrix_view<T const> const upstream{dy.data, rows, outputs};
    matrix_view<T const> const turned{dy.data, rows, outputs, true};
    if (dx)
      product::forward(upstream, matrix_view<T const>{w.data, outputs, inputs},
                       matrix_view<T>{dx.data, rows, inputs}, dx.accumulate);
    if (dw)
      product::forward(turned, matrix_view<T const>{x.data, rows, inputs},
                       matrix_view<T>{dw.data, outputs, inputs}, dw.accumulate);
    device_detail::column_sums<Backend>(1, rows, outputs, dy.data, dbias);
  }

 private:
  using product = implement<product_op, Backend>;
};

}  // namespace sysdpo
