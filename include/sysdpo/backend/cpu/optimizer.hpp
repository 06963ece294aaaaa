// Optimiser sweeps on the CPU. All arrays of a call have one size and do not alias.
#pragma once

#include <cmath>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct adamw_op;
struct squared_norm_op;
struct moving_average_op;

template <>
struct implement<adamw_op, cpu> {
  /// m ← β₁m + (1−β₁)·s·g, v ← β₂v + (1−β₂)(s·g)², w ← w(1 − rate·decay) − rate·(m/c₁) / (√(v/c₂) + ε); s is
  /// `gradient_scale`.
  template <class T, class A, class Step>
  static void forward(array_view<T> w, array_view<T const> g, array_view<A> m, array_view<A> v,
                      Step const& step) {
    auto const beta1 = static_cast<A>(step.beta1);
    auto const beta2 = static_cast<A>(step.beta2);
    auto const scale = static_cast<A>(step.gradient_scale);
    auto const keep = static_cast<A>(1 - step.rate * step.weight_decay);
    auto const rate = static_cast<A>(step.rate / step.correction1);
    auto const root = static_cast<A>(1 / step.correction2);
    auto const epsilon = static_cast<A>(step.epsilon);
    parallel_for(w.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      for (auto i = begin; i < end; ++i) {
        auto const gradient = static_cast<A>(g[i]) * scale;
        m[i] = beta1 * m[i] + (1 - beta1) * gradient;
        v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
        w[i] = static_cast<T>(static_cast<A>(w[i]) * keep - rate * m[i] / (std::sqrt(v[i] * root) + epsilon));
      }
    });
  }
};

template <>
struct implement<squared_norm_op, cpu> {
  /// Adds Σ x² to `sum` [1], in double.
  template <class T>
  static void forward(array_view<T const> x, array_view<double> sum) {
    double total = 0;
    for (index_t i = 0; i < x.size(); ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    sum[0] += total;
  }
};

template <>
struct implement<moving_average_op, cpu> {
  /// average ← decay·average + (1 − decay)·x
  template <class T>
  static void forward(array_view<T> average, array_view<T const> x, double decay) {
    for (index_t i = 0; i < x.size(); ++i)
      average[i] =
          static_cast<T>(decay * static_cast<double>(average[i]) + (1 - decay) * static_cast<double>(x[i]));
  }
};

}  // namespace sysdpo
