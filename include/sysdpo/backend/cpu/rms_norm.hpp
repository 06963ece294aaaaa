// RMS normalisation on the CPU. x, y [R, D], gamma [D], inverse [R] = 1 / sqrt(mean(x²) + ε); nothing
// aliases.
#pragma once

#include <cmath>

#include "sysdpo/backend/cpu/partial_sums.hpp"

namespace sysdpo {

struct rms_norm_op;

template <>
struct implement<rms_norm_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, double epsilon, array_view<T> y,
                      array_view<T> inverse) {
    auto const width = gamma.size();
    cpu_detail::const_array_map<T> const gain(gamma.data, width);
    parallel_for(inverse.size(), 1 + cpu_detail::elementwise_grain / (width + 1),
                 [&](index_t begin, index_t end) {
                   for (auto n = begin; n < end; ++n) {
                     cpu_detail::const_array_map<T> const row(x.data + n * width, width);
                     auto const scale =
                         1 / std::sqrt(row.square().sum() / static_cast<T>(width) + static_cast<T>(epsilon));
                     inverse[n] = scale;
                     cpu_detail::array_map<T>(y.data + n * width, width) = row * scale * gain;
                   }
                 });
  }

  /// With g = dy·γ and s the saved inverse: dx = s·(g − x·s²·mean(g·x)), dγ = Σ_n dy·x·s.
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<T const> inverse,
                       array_view<T const> dy, gradient_view<T> dx, gradient_view<T> dgamma) {
    auto const width = gamma.size();
    cpu_detail::const_array_map<T> const gain(gamma.data, width);
    cpu_detail::partial_sums<T> sums(inverse.size(), 1 + cpu_detail::elementwise_grain / (width + 1), width);
    sums.add([&](index_t begin, index_t end, T* gain_sums) {
      cpu_detail::array_map<T> gain_gradient(gain_sums, width);
      for (auto n = begin; n < end; ++n) {
        cpu_detail::const_array_map<T> const row(x.data + n * width, width);
        cpu_detail::const_array_map<T> const upstream(dy.data + n * width, width);
        auto const scale = inverse[n];
        if (dgamma) gain_gradient += upstream * row * scale;
        if (!dx) continue;
        auto const pull = scale * scale * (upstream * gain * row).sum() / static_cast<T>(width);
        cpu_detail::store(cpu_detail::array_map<T>(dx.data + n * width, width), dx.accumulate,
                          scale * (upstream * gain - row * pull));
      }
    });
    sums.store_to(dgamma);
  }
};

}  // namespace sysdpo
