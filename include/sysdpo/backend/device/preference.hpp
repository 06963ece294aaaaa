// The fold of log-ratios to losses and seeds by a kernel.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/preference.hpp"

namespace sysdpo {

struct preference_op;

template <kernel_backend Backend>
struct implement<preference_op, Backend> {
  /// As on the CPU (backend/cpu/preference.hpp).
  template <class Link>
  static void forward(array_view<float const> ratios, array_view<double const> scales,
                      array_view<double const> rejected_gradient, array_view<double const> pair_weights,
                      Link const& link, double beta, double divisor, array_view<double> scores,
                      array_view<double> losses, array_view<float> seeds) {
    Backend::template launch<kernel::preference<Link>>({.ratios = ratios.data,
                                                        .scales = scales.data,
                                                        .rejected_gradient = rejected_gradient.data,
                                                        .pair_weights = pair_weights.data,
                                                        .slots = static_cast<int>(ratios.extents[0]),
                                                        .pairs = ratios.extents[2],
                                                        .link = link,
                                                        .beta = beta,
                                                        .divisor = divisor,
                                                        .scores = scores.data,
                                                        .losses = losses.data,
                                                        .seeds = seeds.data});
  }
};

}  // namespace sysdpo
