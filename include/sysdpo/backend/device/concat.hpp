// Two arrays side by side, by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/concat.hpp"

namespace sysdpo {

struct concat_op;

template <kernel_backend Backend>
struct implement<concat_op, Backend> {
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    using device_detail::narrow;
    if (y.size() == 0) return;
    Backend::template launch<kernel::concat<T>>({.a = a.data,
                                                 .b = b.data,
                                                 .rows = y.extents.rows(),
                                                 .left = narrow("concat", a.extents[-1]),
                                                 .right = narrow("concat", b.extents[-1]),
                                                 .y = y.data});
  }

  /// da and db are the two sides of dy, where wanted; a has `left` columns.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> da, gradient_view<T> db, index_t left) {
    using device_detail::narrow;
    if ((!da && !db) || dy.size() == 0) return;
    Backend::template launch<kernel::concat_backward<T>>({.dy = dy.data,
                                                          .rows = dy.extents.rows(),
                                                          .left = narrow("concat", left),
                                                          .right = narrow("concat", dy.extents[-1] - left),
                                                          .da = da.data,
                                                          .db = db.data,
                                                          .accumulate_da = da.accumulate,
                                                          .accumulate_db = db.accumulate});
  }
};

}  // namespace sysdpo
