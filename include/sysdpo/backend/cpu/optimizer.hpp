// Optimiser sweeps on the CPU. All arrays of a call have one size and do not alias.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/core/scalar.hpp"

namespace sysdpo {

struct adamw_op;
struct squared_norm_op;
struct gradient_scales_op;
struct moving_average_op;

template <>
struct implement<adamw_op, cpu> {
  /// m ← β₁m + (1−β₁)·s·g, v ← β₂v + (1−β₂)(s·g)², w ← w(1 − rate·decay) − rate·(m/c₁) / (√(v/c₂) + ε); s is
  /// `gradient_factor`, times `gradient_scale` [1] where that is given; where it is NaN everything stays as
  /// it is. bf16 weights are rounded at random, so that the mean is right and small steps are not lost: the
  /// same draws as kernel/adamw.hpp.
  template <class Weight, class Step>
  static void forward(std::span<Weight const> weights, Step const& step) {
    using accumulate = std::remove_pointer_t<decltype(Weight::first.data)>;
    auto const beta1 = static_cast<accumulate>(step.beta1);
    auto const beta2 = static_cast<accumulate>(step.beta2);
    auto const scale =
        static_cast<accumulate>(step.gradient_factor * (step.gradient_scale ? step.gradient_scale[0] : 1));
    if (std::isnan(scale)) return;
    auto const keep = static_cast<accumulate>(1 - step.rate * step.weight_decay);
    auto const rate = static_cast<accumulate>(step.rate / step.correction1);
    auto const root = static_cast<accumulate>(1 / step.correction2);
    auto const epsilon = static_cast<accumulate>(step.epsilon);
    auto key = step.rounding;
    for (std::size_t place = 0; place < weights.size(); ++place) {
      auto const& [w, g, m, v] = weights[place];
      key.node = static_cast<std::uint32_t>(place);
      philox_stream const stream(key);
      parallel_for(w.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
        [[maybe_unused]] philox_words random{};
        for (auto i = begin; i < end; ++i) {
          auto const gradient = static_cast<accumulate>(g[i]) * scale;
          m[i] = beta1 * m[i] + (1 - beta1) * gradient;
          v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
          auto const next =
              static_cast<accumulate>(w[i]) * keep - rate * m[i] / (std::sqrt(v[i] * root) + epsilon);
          if constexpr (std::is_same_v<std::remove_reference_t<decltype(w[i])>, bf16>) {
            if (i == begin || i % 4 == 0) random = stream.block(static_cast<std::uint32_t>(i / 4));
            w[i] = round_at_random(static_cast<float>(next), random.word[i % 4] >> 16);
          } else {
            w[i] = static_cast<std::remove_reference_t<decltype(w[i])>>(next);
          }
        }
      });
    }
  }
};

template <>
struct implement<squared_norm_op, cpu> {
  /// sum [1] = Σ x² over all arrays, in double.
  template <class T>
  static void forward(std::span<array_view<T const> const> arrays, array_view<double> sum) {
    double total = 0;
    for (auto const& x : arrays) {
      double part = 0;
      for (index_t i = 0; i < x.size(); ++i) part += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      total += part;
    }
    sum[0] = total;
  }
};

template <>
struct implement<gradient_scales_op, cpu> {
  /// As kernel/gradient_clip.hpp has it.
  static void forward(array_view<double const> squared_norms, array_view<double const> losses, double bound,
                      array_view<double> scales) {
    double unsound = 0;  // x − x: 0 of a finite number, else NaN
    for (auto const& numbers : {squared_norms, losses})
      for (index_t i = 0; i < numbers.size(); ++i) unsound += numbers[i] - numbers[i];
    for (index_t i = 0; i < scales.size(); ++i) {
      auto const norm = std::sqrt(squared_norms[i]);
      scales[i] = (bound > 0 && norm > bound ? bound / norm : 1) + unsound;
    }
  }
};

template <>
struct implement<moving_average_op, cpu> {
  /// average ← decay·average + (1 − decay)·x
  template <class A, class T>
  static void forward(array_view<A> average, array_view<T const> x, double decay) {
    for (index_t i = 0; i < x.size(); ++i)
      average[i] = static_cast<A>(decay * static_cast<double>(average[i]) +
                                  (1 - decay) * static_cast<double>(static_cast<A>(x[i])));
  }
};

}  // namespace sysdpo
