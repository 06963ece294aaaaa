// y = silu(gate) · up by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/swiglu.hpp"

namespace sysdpo {

struct swiglu_op;

template <kernel_backend Backend>
struct implement<swiglu_op, Backend> {
  template <class T>
  static void forward(array_view<T const> gate, array_view<T const> up, array_view<T> y) {
    Backend::template launch<kernel::swiglu<T>>(
        {.gate = gate.data, .up = up.data, .size = y.size(), .y = y.data});
  }

  template <class T>
  static void backward(array_view<T const> gate, array_view<T const> up, array_view<T const> dy,
                       gradient_view<T> dgate, gradient_view<T> dup) {
    Backend::template launch<kernel::swiglu_backward<T>>({.gate = gate.data,
                                                          .up = up.data,
                                                          .dy = dy.data,
                                                          .size = dy.size(),
                                                          .dgate = dgate.data,
                                                          .dup = dup.data,
                                                          .accumulate_dgate = dgate.accumulate,
                                                          .accumulate_dup = dup.accumulate});
  }
};

}  // namespace sysdpo
