// The fold of log-ratios into losses, and the seeds that go back: one small sweep over pairs on the CPU, in
// double.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

struct preference_op;

template <>
struct implement<preference_op, cpu> {
  /// ratios [slots, 2, pairs] (side 0 chosen), scales and rejected_gradient [slots], pair_weights [pairs] →
  ///   scores [2, pairs]          A(s) = Σ_k scales[k]·ratios[k]
  ///   losses [pairs]             pair_weight · link(A_chosen − A_rejected)
  ///   seeds [slots, 2, pairs]    ∂(Σ losses / divisor) / ∂ratios, the rejected side's times
  ///   rejected_gradient
  template <class T, class Link>
  static void forward(array_view<T const> ratios, array_view<double const> scales,
                      array_view<double const> rejected_gradient, array_view<double const> pair_weights,
                      Link const& link, double beta, double divisor, array_view<double> scores,
                      array_view<double> losses, array_view<T> seeds) {
    auto const slots = ratios.extents[0];
    auto const pairs = ratios.extents[2];
    for (index_t p = 0; p < pairs; ++p) {
      double score[2] = {0, 0};
      for (index_t k = 0; k < slots; ++k)
        for (index_t side = 0; side < 2; ++side)
          if (scales[k] != 0)
            score[side] += scales[k] * static_cast<double>(ratios[(k * 2 + side) * pairs + p]);
      auto const h = score[0] - score[1];
      scores[p] = score[0];
      scores[pairs + p] = score[1];
      losses[p] = pair_weights[p] * link.value(h, beta);
      auto const slope = pair_weights[p] * link.slope(h, beta) / divisor;
      for (index_t k = 0; k < slots; ++k) {
        seeds[(k * 2 + 0) * pairs + p] = static_cast<T>(scales[k] * slope);
        seeds[(k * 2 + 1) * pairs + p] = static_cast<T>(-scales[k] * slope * rejected_gradient[k]);
      }
    }
  }
};

}  // namespace sysdpo
