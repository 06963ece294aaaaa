// The fold of log-ratios into losses, and the seeds that go back. A pair a thread; small arrays, so that time
// is the launch's and double costs nothing.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// ratios [slots, 2, pairs] (side 0 chosen), scales and rejected_gradient [slots], pair_weights [pairs] →
///   scores [2, pairs]          A(s) = Σ_k scales[k]·ratios[k], without the slots of scale 0
///   losses [pairs]             pair_weight · link(A_chosen − A_rejected)
///   seeds [slots, 2, pairs]    ∂(Σ losses / divisor) / ∂ratios, the rejected side's times rejected_gradient
/// A link is trivially copyable and has value(h, beta) and slope(h, beta), in double and for the device.
template <class Link>
struct preference {
  static constexpr int threads = 128;
  struct arguments {
    float const* ratios;
    double const* scales;
    double const* rejected_gradient;
    double const* pair_weights;
    int slots;
    index_t pairs;
    Link link;
    double beta;
    double divisor;
    double* scores;
    double* losses;
    float* seeds;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.pairs, threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const pair = block.index() * threads + block.thread();
    auto const pairs = given.pairs;
    if (pair >= pairs) return;
    double chosen = 0;
    double rejected = 0;
    for (index_t k = 0; k < given.slots; ++k) {
      if (given.scales[k] == 0) continue;  // its ratios may be NaN
      chosen += given.scales[k] * static_cast<double>(given.ratios[2 * k * pairs + pair]);
      rejected += given.scales[k] * static_cast<double>(given.ratios[(2 * k + 1) * pairs + pair]);
    }
    double const weight = given.pair_weights[pair];
    double const h = chosen - rejected;
    given.scores[pair] = chosen;
    given.scores[pairs + pair] = rejected;
    given.losses[pair] = weight * given.link.value(h, given.beta);
    double const slope = weight * given.link.slope(h, given.beta) / given.divisor;
    for (index_t k = 0; k < given.slots; ++k) {
      double const seed = given.scales[k] * slope;
      given.seeds[2 * k * pairs + pair] = static_cast<float>(seed);
      given.seeds[(2 * k + 1) * pairs + pair] = static_cast<float>(-seed * given.rejected_gradient[k]);
    }
  }
};

}  // namespace sysdpo::kernel
