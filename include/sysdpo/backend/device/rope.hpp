// Rotary position embedding by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/rope.hpp"

namespace sysdpo {

struct rope_op;

template <kernel_backend Backend>
struct implement<rope_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<std::int32_t const> positions,
                      array_view<float const> cosines, array_view<float const> sines, array_view<T> y) {
    turn(x, positions, cosines, sines, 1, gradient_view<T>{y.data, y.extents, false});
  }

  /// The transpose of a rotation is the rotation by the opposite angle.
  template <class T>
  static void backward(array_view<std::int32_t const> positions, array_view<float const> cosines,
                       array_view<float const> sines, array_view<T const> dy, gradient_view<T> dx) {
    if (dx) turn(dy, positions, cosines, sines, -1, dx);
  }

 private:
  template <class T>
  static void turn(array_view<T const> x, array_view<std::int32_t const> positions,
                   array_view<float const> cosines, array_view<float const> sines, int direction,
                   gradient_view<T> y) {
    using device_detail::narrow;
    Backend::template launch<kernel::rope<T>>({.x = x.data,
                                               .positions = positions.data,
                                               .cosines = cosines.data,
                                               .sines = sines.data,
                                               .rows = positions.size(),
                                               .table_rows = cosines.extents[0],
                                               .heads = narrow("rope", x.extents[1]),
                                               .head_size = narrow("rope", x.extents[2]),
                                               .direction = direction,
                                               .y = y.data,
                                               .accumulate = y.accumulate});
  }
};

}  // namespace sysdpo
