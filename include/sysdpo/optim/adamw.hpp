// AdamW (Loshchilov and Hutter 2019) for one parameter set: decoupled weight decay, bias-corrected moments,
// frozen weights skipped.
#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "sysdpo/model/parameters.hpp"

namespace sysdpo {

struct adamw_op;
struct squared_norm_op;
struct gradient_scales_op;

/// The settings of AdamW, but for the rate.
struct adamw_options {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< on weights of two or more axes only; gains and biases are never decayed
};

/// One weight's arrays, all of one size, as `implement<adamw_op, Backend>` takes them.
template <class Stored, class Compute, class Accumulate>
struct adamw_weight {
  array_view<Stored> w;
  array_view<Compute const> g;
  array_view<Accumulate> first, second;  ///< moments
};

/// The numbers of one sweep.
struct adamw_step {
  double rate, beta1, beta2, epsilon, weight_decay;
  double correction1;                         ///< 1 − β₁ᵗ
  double correction2;                         ///< 1 − β₂ᵗ
  double gradient_factor;                     ///< multiplies the gradient first: clipping
  array_view<double const> gradient_scale{};  ///< [1], likewise, where it is given; NaN: do nothing
  draw_key rounding;                          ///< of weights of 16 bits: up or down at random
};

/// sum [1] = Σ over trainable weights of ‖gradient‖². Not read: a GPU goes on.
template <class Backend, class Precision>
void sum_squared_gradients(parameter_set<Backend, Precision> const& weights, array_view<double> sum) {
  using compute = typename Precision::compute;
  std::vector<array_view<compute const>> gradients;
  for (auto const& weight : weights)
    if (weight.trainable && weight.gradient.filled) gradients.push_back(weight.gradient.value.const_view());
  implement<squared_norm_op, Backend>::forward(std::span<array_view<compute const> const>(gradients), sum);
}
/// The same, read on the host.
template <class Backend, class Precision>
[[nodiscard]] double squared_gradient_norm(parameter_set<Backend, Precision> const& weights) {
  tensor<Backend, double> sum({1});
  sum_squared_gradients(weights, sum.view());
  return sum.to_host()[0];
}

/// What each model's gradient must be multiplied by for its norm to be at most `bound` (0: any), [models].
/// All are NaN, by which adamw does nothing, where one of squared_norms [models] or losses [any] is no finite
/// number. Not read: a GPU goes on.
template <class Backend>
[[nodiscard]] tensor<Backend, double> gradient_scales(tensor<Backend, double> const& squared_norms,
                                                      tensor<Backend, double> const& losses, double bound) {
  tensor<Backend, double> scales(squared_norms.extents());
  implement<gradient_scales_op, Backend>::forward(squared_norms.const_view(), losses.const_view(), bound,
                                                  scales.view());
  return scales;
}

/// AdamW over one parameter set: moments, and steps.
template <class Backend, class Precision>
class adamw {
 public:
  using accumulate = typename Precision::accumulate;

  /// Moments of one weight; empty for one that was never stepped.
  struct moments {
    tensor<Backend, accumulate> first{};
    tensor<Backend, accumulate> second{};
  };

  /// `seed` is that of random rounding: another one for each model that trains beside others. \throws error
  /// on a setting outside its range.
  explicit adamw(adamw_options const& options = {}, std::uint64_t seed = 0) : options_(options), seed_(seed) {
    auto const check = [](bool good, char const* name, double value) {
      if (!good)
        fail({"adamw", std::string(name) + " = " + std::to_string(value), "the value lies outside its range",
              "Betas lie in [0, 1), epsilon is positive, weight decay not negative"});
    };
    check(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1);
    check(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2);
    check(options.epsilon > 0, "epsilon", options.epsilon);
    check(options.weight_decay >= 0, "weight_decay", options.weight_decay);
  }

  /// Takes the memory of the moments, by far most of what a step takes, so that several models' steps fail
  /// before the first of them is done. \throws memory_error
  void prepare(parameter_set<Backend, Precision> const& weights) {
    moments_.resize(weights.size());
    auto state = moments_.begin();
    for (auto const& weight : weights) {
      auto& [first, second] = *state++;
      if (first || !weight.trainable || !weight.gradient.filled) continue;
      second = tensor<Backend, accumulate>::zeros(weight.value.extents());
      first = tensor<Backend, accumulate>::zeros(weight.value.extents());
    }
  }

  /// One step on every trainable weight that has a gradient, which is multiplied by `gradient_scale` first.
  /// Gradients stay; clear them with parameter_set::clear_gradients.
  void step(parameter_set<Backend, Precision>& weights, double rate, double gradient_scale = 1) {
    step(weights, rate, gradient_scale, {});
  }
  /// The same with a scale that the host does not know, [1]. It may be NaN (gradient_scales): then nothing is
  /// changed, and who finds that out says so by `recount`.
  void step(parameter_set<Backend, Precision>& weights, double rate,
            array_view<double const> gradient_scale) {
    step(weights, rate, 1, gradient_scale);
  }
  /// So many steps count: fewer than were issued, where a scale was NaN, or where work was only walked
  /// through (backend/recorded_step.hpp).
  void recount(index_t steps) { steps_ = steps; }

  [[nodiscard]] adamw_options const& options() const { return options_; }

  // What a checkpoint keeps.
  [[nodiscard]] index_t steps() const { return steps_; }
  [[nodiscard]] std::vector<moments> const& state() const { return moments_; }
  /// Goes on from what a checkpoint kept.
  void restore(index_t steps, std::vector<moments> state) {
    steps_ = steps;
    moments_ = std::move(state);
  }

 private:
  void step(parameter_set<Backend, Precision>& weights, double rate, double gradient_factor,
            array_view<double const> gradient_scale) {
    using part = adamw_weight<typename Precision::parameter, typename Precision::compute, accumulate>;
    prepare(weights);
    auto const steps = steps_ + 1;
    std::vector<part> decayed;
    std::vector<part> others;
    auto state = moments_.begin();
    for (auto& weight : weights) {
      auto& [first, second] = *state++;
      if (!weight.trainable || !weight.gradient.filled) continue;
      auto const decays = options_.weight_decay > 0 && weight.value.extents().rank() >= 2;
      (decays ? decayed : others)
          .push_back({weight.value.view(), weight.gradient.value.const_view(), first.view(), second.view()});
    }
    auto const sweep = [&](std::vector<part> const& parts, double decay, std::uint32_t which) {
      if (parts.empty()) return;
      implement<adamw_op, Backend>::forward(
          std::span<part const>(parts),
          adamw_step{.rate = rate,
                     .beta1 = options_.beta1,
                     .beta2 = options_.beta2,
                     .epsilon = options_.epsilon,
                     .weight_decay = decay,
                     .correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps)),
                     .correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps)),
                     .gradient_factor = gradient_factor,
                     .gradient_scale = gradient_scale,
                     // No draw of noise has this visit, whatever the run's seed is.
                     .rounding = {.seed = seed_,
                                  .pair = static_cast<std::uint64_t>(steps),
                                  .visit = ~std::uint32_t{0},
                                  .draw = which}});
    };
    sweep(decayed, options_.weight_decay, 0);
    sweep(others, 0, 1);
    steps_ = steps;
  }

  adamw_options options_;
  std::uint64_t seed_;
  index_t steps_ = 0;
  std::vector<moments> moments_;
};

}  // namespace sysdpo
