// Layer normalisation on the CPU. x, y [R, D], gamma and beta [D], statistics [R, 2] = mean, 1 /
// sqrt(variance + ε); nothing aliases.
#pragma once

#include <cmath>

#include "sysdpo/backend/cpu/partial_sums.hpp"

namespace sysdpo {

struct layer_norm_op;

template <>
struct implement<layer_norm_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                      double epsilon, array_view<T> y, array_view<T> statistics) {
    auto const width = gamma.size();
    cpu_detail::const_array_map<T> const gain(gamma.data, width);
    cpu_detail::const_array_map<T> const bias(beta.data, width);
    parallel_for(statistics.extents[0], 1 + cpu_detail::elementwise_grain / (width + 1),
                 [&](index_t begin, index_t end) {
                   for (auto n = begin; n < end; ++n) {
                     cpu_detail::const_array_map<T> const row(x.data + n * width, width);
                     auto const mean = row.sum() / static_cast<T>(width);
                     auto const variance = (row - mean).square().sum() / static_cast<T>(width);
                     auto const scale = 1 / std::sqrt(variance + static_cast<T>(epsilon));
                     statistics[2 * n] = mean;
                     statistics[2 * n + 1] = scale;
                     cpu_detail::array_map<T>(y.data + n * width, width) = (row - mean) * scale * gain + bias;
                   }
                 });
  }

  /// With x̂ the normalised row and g = dy·γ: dx = s·(g − mean(g) − x̂·mean(g·x̂)), dγ = Σ_n dy·x̂, dβ = Σ_n dy.
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<T const> statistics,
                       array_view<T const> dy, gradient_view<T> dx, gradient_view<T> dgamma,
                       gradient_view<T> dbeta) {
    auto const width = gamma.size();
    cpu_detail::const_array_map<T> const gain(gamma.data, width);
    cpu_detail::partial_sums<T> sums(statistics.extents[0], 1 + cpu_detail::elementwise_grain / (width + 1),
                                     2 * width);
    sums.add([&](index_t begin, index_t end, T* part) {
      cpu_detail::array_map<T> gain_gradient(part, width);
      cpu_detail::array_map<T> bias_gradient(part + width, width);
      for (auto n = begin; n < end; ++n) {
        cpu_detail::const_array_map<T> const upstream(dy.data + n * width, width);
        auto const mean = statistics[2 * n];
        auto const scale = statistics[2 * n + 1];
        auto const normalised = (cpu_detail::const_array_map<T>(x.data + n * width, width) - mean) * scale;
        if (dgamma) gain_gradient += upstream * normalised;
        if (dbeta) bias_gradient += upstream;
        if (!dx) continue;
        auto const shift = (upstream * gain).sum() / static_cast<T>(width);
        auto const pull = (upstream * gain * normalised).sum() / static_cast<T>(width);
        cpu_detail::store(cpu_detail::array_map<T>(dx.data + n * width, width), dx.accumulate,
                          scale * (upstream * gain - shift - normalised * pull));
      }
    });
    sums.store_to(dgamma);
    sums.store_to(dbeta, width);
  }
};

}  // namespace sysdpo
