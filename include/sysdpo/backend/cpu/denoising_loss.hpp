// Squared errors of rows and their differences on the CPU. p, reference, target [R, ...], weight, y [R];
// nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct denoising_loss_op;

template <>
struct implement<denoising_loss_op, cpu> {
  /// y = weight · Σ (target − p)², or the mean.
  template <class T>
  static void loss(array_view<T const> p, array_view<T const> target, array_view<T const> weight, bool mean,
                   array_view<T> y) {
    for_each_row(p.extents, [&](index_t row, index_t size) {
      auto const error = (at(target, row, size) - at(p, row, size)).template cast<double>();
      y[row] = static_cast<T>(static_cast<double>(weight[row]) * error.square().sum() / divisor(mean, size));
    });
  }

  /// y = weight · Σ (p − reference)·(2·target − p − reference), or the mean.
  template <class T>
  static void log_ratio(array_view<T const> p, array_view<T const> reference, array_view<T const> target,
                        array_view<T const> weight, bool mean, array_view<T> y) {
    for_each_row(p.extents, [&](index_t row, index_t size) {
      auto const ours = at(p, row, size);
      auto const theirs = at(reference, row, size);
      auto const goal = at(target, row, size);
      auto const apart = (ours - theirs).template cast<double>();
      auto const errors = ((goal - ours) + (goal - theirs)).template cast<double>();
      y[row] =
          static_cast<T>(static_cast<double>(weight[row]) * (apart * errors).sum() / divisor(mean, size));
    });
  }

  /// dp = sign · 2 · weight · dy · (target − p), divided by the size if y is a mean. The sign is −1 for
  /// `loss`, 1 for `log_ratio`.
  template <class T>
  static void backward(array_view<T const> p, array_view<T const> target, array_view<T const> weight,
                       bool mean, int sign, array_view<T const> dy, gradient_view<T> dp) {
    if (!dp) return;
    for_each_row(p.extents, [&](index_t row, index_t size) {
      auto const factor = static_cast<T>(2 * sign * static_cast<double>(weight[row]) *
                                         static_cast<double>(dy[row]) / divisor(mean, size));
      cpu_detail::store(cpu_detail::array_map<T>(dp.data + row * size, size), dp.accumulate,
                        factor * (at(target, row, size) - at(p, row, size)));
    });
  }

 private:
  template <class T>
  static cpu_detail::const_array_map<T> at(array_view<T const> rows, index_t row, index_t size) {
    return {rows.data + row * size, size};
  }

  static double divisor(bool mean, index_t size) {
    return mean ? static_cast<double>(std::max<index_t>(size, 1)) : 1.0;
  }

  /// body(row, elements of a row)
  template <class Body>
  static void for_each_row(shape const& extents, Body&& body) {
    auto const size = extents.size() / std::max<index_t>(extents[0], 1);
    parallel_for(extents[0], 1 + cpu_detail::elementwise_grain / (size + 1), [&](index_t begin, index_t end) {
      for (auto row = begin; row < end; ++row) body(row, size);
    });
  }
};

}  // namespace sysdpo
