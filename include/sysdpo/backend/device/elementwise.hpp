// Sums, differences, multiples, conversions and silu, element by element, by one kernel.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/map.hpp"

namespace sysdpo {

struct add_op;
struct subtract_op;
struct scale_op;
struct silu_op;

namespace device_detail {

/// y = f(x…), or += it.
template <kernel_backend Backend, class Function, class To, class... From>
void map(Function f, gradient_view<To> y, From const*... x) {
  Backend::template launch<kernel::map<Function, To, From...>>(
      {.f = f, .x = {{x}...}, .size = y.size(), .y = y.data, .accumulate = y.accumulate});
}
/// y = f(x…).
template <kernel_backend Backend, class Function, class To, class... From>
void map(Function f, array_view<To> y, From const*... x) {
  map<Backend>(f, gradient_view<To>{y.data, y.extents, false}, x...);
}

}  // namespace device_detail

template <kernel_backend Backend>
struct implement<add_op, Backend> {
  /// y = a + b
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    device_detail::map<Backend>(kernel::function::add{}, y, a.data, b.data);
  }

  /// dx = dy, where wanted.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx) {
    if (dx) device_detail::map<Backend>(kernel::function::copy{}, dx, dy.data);
  }
};

template <kernel_backend Backend>
struct implement<subtract_op, Backend> {
  /// y = a − b
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    device_detail::map<Backend>(kernel::function::subtract{}, y, a.data, b.data);
  }
};

template <kernel_backend Backend>
struct implement<scale_op, Backend> {
  /// y = factor · x
  template <class T>
  static void forward(array_view<T const> x, double factor, array_view<T> y) {
    device_detail::map<Backend>(kernel::function::scale{static_cast<float>(factor)}, y, x.data);
  }

  /// dx = factor · dy
  template <class T>
  static void backward(array_view<T const> dy, double factor, gradient_view<T> dx) {
    if (dx) device_detail::map<Backend>(kernel::function::scale{static_cast<float>(factor)}, dx, dy.data);
  }
};

template <kernel_backend Backend>
struct implement<silu_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    device_detail::map<Backend>(kernel::function::silu{}, y, x.data);
  }
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> dy, gradient_view<T> dx) {
    if (dx) device_detail::map<Backend>(kernel::function::silu_backward{}, dx, x.data, dy.data);
  }
};

template <kernel_backend Backend>
struct implement<cast_op, Backend> {
  template <class From, class To>
  static void forward(array_view<From const> from, array_view<To> to) {
    device_detail::map<Backend>(kernel::function::copy{}, to, from.data);
  }
};

}  // namespace sysdpo
