// Sums, conversions and other one-sweep operations on the CPU. Operands of a call have one size; the result
// may alias an input.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct add_op;
struct subtract_op;
struct scale_op;

template <>
struct implement<add_op, cpu> {
  /// y = a + b
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    parallel_for(y.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      cpu_detail::array_map<T>(y.data + begin, end - begin) =
          cpu_detail::const_array_map<T>(a.data + begin, end - begin) +
          cpu_detail::const_array_map<T>(b.data + begin, end - begin);
    });
  }

  /// dx = dy, where wanted.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx) {
    if (!dx) return;
    parallel_for(dy.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      cpu_detail::store(cpu_detail::array_map<T>(dx.data + begin, end - begin), dx.accumulate,
                        cpu_detail::const_array_map<T>(dy.data + begin, end - begin));
    });
  }
};

template <>
struct implement<subtract_op, cpu> {
  /// y = a − b
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    parallel_for(y.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      cpu_detail::array_map<T>(y.data + begin, end - begin) =
          cpu_detail::const_array_map<T>(a.data + begin, end - begin) -
          cpu_detail::const_array_map<T>(b.data + begin, end - begin);
    });
  }
};

template <>
struct implement<scale_op, cpu> {
  /// y = factor · x
  template <class T>
  static void forward(array_view<T const> x, double factor, array_view<T> y) {
    backward(x, factor, {y.data, y.extents, false});
  }

  /// dx = factor · dy
  template <class T>
  static void backward(array_view<T const> dy, double factor, gradient_view<T> dx) {
    parallel_for(dy.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      cpu_detail::store(
          cpu_detail::array_map<T>(dx.data + begin, end - begin), dx.accumulate,
          static_cast<T>(factor) * cpu_detail::const_array_map<T>(dy.data + begin, end - begin));
    });
  }
};

template <>
struct implement<cast_op, cpu> {
  template <class From, class To>
  static void forward(array_view<From const> from, array_view<To> to) {
    parallel_for(to.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      for (auto i = begin; i < end; ++i) to.data[i] = static_cast<To>(from.data[i]);
    });
  }
};

}  // namespace sysdpo
