// Twice the height and width by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/upsample.hpp"

namespace sysdpo {

struct upsample_op;

template <kernel_backend Backend>
struct implement<upsample_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    if (x.size() == 0) return;
    Backend::template launch<kernel::upsample<T>>({.x = x.data, .layout = layout_of(x.extents), .y = y.data});
  }

  /// dx = the sum of dy over the four copies; `extents` are those of x.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx, shape const& extents) {
    if (!dx || dy.size() == 0) return;
    Backend::template launch<kernel::upsample_backward<T>>(
        {.dy = dy.data, .layout = layout_of(extents), .dx = dx.data, .accumulate = dx.accumulate});
  }

 private:
  static auto layout_of(shape const& x) {
    using device_detail::narrow;
    return kernel::detail::upsample_layout{.images = x[0],
                                           .height = narrow("upsample", x[1]),
                                           .width = narrow("upsample", x[2]),
                                           .channels = narrow("upsample", x[3])};
  }
};

}  // namespace sysdpo
