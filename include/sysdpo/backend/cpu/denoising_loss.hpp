// Noising and squared errors on the CPU, row by row. Nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct add_noise_op;
struct denoising_loss_op;

namespace cpu_detail {
/// Calls body(row, offset of its first element, elements a row) for the rows of `x`, over the threads.
template <class T, class Body>
void for_each_row(array_view<T> x, Body const& body) {
  auto const rows = x.extents[0];
  auto const elements = rows == 0 ? 0 : x.size() / rows;
  parallel_for(rows, 1 + elementwise_grain / (elements + 1), [&](index_t begin, index_t end) {
    for (auto row = begin; row < end; ++row) body(row, row * elements, elements);
  });
}
}  // namespace cpu_detail

template <>
struct implement<add_noise_op, cpu> {
  /// y_r = a_r·x_r + b_r·e_r, two roundings an element.
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> e, array_view<T const> a,
                      array_view<T const> b, array_view<T> y) {
    cpu_detail::for_each_row(y, [&](index_t row, index_t at, index_t n) {
      cpu_detail::array_map<T>(y.data + at, n) = a[row] * cpu_detail::const_array_map<T>(x.data + at, n) +
                                                 b[row] * cpu_detail::const_array_map<T>(e.data + at, n);
    });
  }
};

template <>
struct implement<denoising_loss_op, cpu> {
  /// y_r = w_r · factor · Σ (target − p)²
  template <class T>
  static void forward(array_view<T const> p, array_view<T const> target, array_view<T const> w, double factor,
                      array_view<T> y) {
    cpu_detail::for_each_row(p, [&](index_t row, index_t at, index_t n) {
      double sum = 0;
      for (index_t i = at; i < at + n; ++i) {
        auto const error = static_cast<double>(target[i]) - static_cast<double>(p[i]);
        sum += error * error;
      }
      y[row] = static_cast<T>(static_cast<double>(w[row]) * factor * sum);
    });
  }

  /// y_r = w_r · factor · Σ (p − q)(2·target − p − q)
  template <class T>
  static void log_ratio(array_view<T const> p, array_view<T const> q, array_view<T const> target,
                        array_view<T const> w, double factor, array_view<T> y) {
    cpu_detail::for_each_row(p, [&](index_t row, index_t at, index_t n) {
      double sum = 0;
      for (index_t i = at; i < at + n; ++i) {
        auto const a = static_cast<double>(p[i]);
        auto const b = static_cast<double>(q[i]);
        sum += (a - b) * (2 * static_cast<double>(target[i]) - a - b);
      }
      y[row] = static_cast<T>(static_cast<double>(w[row]) * factor * sum);
    });
  }

  /// dp_r = upstream_r · w_r · factor · 2(target − p); the loss itself has −factor.
  template <class T>
  static void backward(array_view<T const> p, array_view<T const> target, array_view<T const> w,
                       double factor, array_view<T const> upstream, gradient_view<T> dp) {
    if (!dp) return;
    cpu_detail::for_each_row(p, [&](index_t row, index_t at, index_t n) {
      auto const scale =
          static_cast<T>(2 * factor * static_cast<double>(w[row]) * static_cast<double>(upstream[row]));
      cpu_detail::store(cpu_detail::array_map<T>(dp.data + at, n), dp.accumulate,
                        scale * (cpu_detail::const_array_map<T>(target.data + at, n) -
                                 cpu_detail::const_array_map<T>(p.data + at, n)));
    });
  }
};

}  // namespace sysdpo
