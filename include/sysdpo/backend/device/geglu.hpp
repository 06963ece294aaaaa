// y = value · gelu(gate) by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/geglu.hpp"

namespace sysdpo {

struct geglu_op;

template <kernel_backend Backend>
struct implement<geglu_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    if (y.size() == 0) return;
    Backend::template launch<kernel::geglu<T>>(
        {.x = x.data, .rows = y.extents.rows(), .width = width(y.extents), .y = y.data});
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> dy, gradient_view<T> dx) {
    if (!dx || dy.size() == 0) return;
    Backend::template launch<kernel::geglu_backward<T>>({.x = x.data,
                                                         .dy = dy.data,
                                                         .rows = dy.extents.rows(),
                                                         .width = width(dy.extents),
                                                         .dx = dx.data,
                                                         .accumulate = dx.accumulate});
  }

 private:
  static int width(shape const& y) { return device_detail::narrow("geglu", y[-1]); }
};

}  // namespace sysdpo
