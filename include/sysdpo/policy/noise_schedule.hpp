// The variances of the forward diffusion process, tabulated in double on the host: z_t = √ᾱ_t·z + √(1−ᾱ_t)·ε
// for t in 1 … T, with α_t = 1 − β_t, ᾱ_t = Π_{s≤t} α_s and ᾱ_0 = 1.
//
// Sources: linear, Ho, Jain and Abbeel, "Denoising diffusion probabilistic models" (2020); cosine, Nichol and
// Dhariwal, "Improved denoising diffusion probabilistic models" (2021); velocity, Salimans and Ho,
// "Progressive distillation" (2022); min-SNR, Hang et al., "Efficient diffusion training via min-SNR
// weighting" (2023).
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// The shape of β_t.
enum class schedule_kind { linear, cosine };

/// A schedule: its shape, its length, its ends.
struct noise_schedule_options {
  schedule_kind kind = schedule_kind::linear;
  int steps = 1000;          ///< T
  double beta_start = 1e-4;  ///< linear: β_1 if T is 1000; other T scale it by 1000 / T, which keeps ᾱ_T
  double beta_end = 0.02;    ///< linear: β_T, likewise
  double cosine_offset = 0.008;
  double largest_beta = 0.999;  ///< cosine: the cap on β_t
};

/// What the model predicts: the noise ε, or the velocity v = √ᾱ·ε − √(1−ᾱ)·z.
enum class prediction_kind { epsilon, velocity };

/// ω(t), the weight of ‖ε − ε̂‖² in the loss. `constant` is 1. `elbo` is β_t² / (2σ_t²α_t(1−ᾱ_t)) with σ_t² =
/// β_t, which makes the sum over t the negative evidence bound. `min_snr` is min(SNR, 5) / SNR with SNR =
/// ᾱ/(1−ᾱ). `velocity` is 1/ᾱ_t, which makes the weighted loss ‖v − v̂‖².
enum class loss_weight { constant, elbo, min_snr, velocity };

/// a·z_t + b·prediction.
struct linear_estimate {
  double of_z = 0;
  double of_prediction = 0;
};

/// The table of β_t and ᾱ_t, and what follows from them.
class noise_schedule {
 public:
  /// \throws error if the options give a β outside (0, 1).
  explicit noise_schedule(noise_schedule_options const& options = {}) : options_(options) {
    if (options.steps < 1)
      fail({"noise schedule", "steps = " + std::to_string(options.steps), "there must be at least one step",
            "Correct the options"});
    auto const count = static_cast<double>(options.steps);
    auto const cosine = [&](double t) {
      auto const angle =
          (t / count + options.cosine_offset) / (1 + options.cosine_offset) * std::numbers::pi / 2;
      return std::pow(std::cos(angle), 2);
    };
    for (int t = 1; t <= options.steps; ++t) {
      auto const at = static_cast<double>(t);
      double beta = 0;
      if (options.kind == schedule_kind::linear) {
        auto const position = options.steps == 1 ? 0.0 : (at - 1) / (count - 1);
        beta = (options.beta_start + position * (options.beta_end - options.beta_start)) * 1000 / count;
      } else {
        beta = std::min(1 - cosine(at) / cosine(at - 1), options.largest_beta);
      }
      if (!(beta > 0 && beta < 1))
        fail({"noise schedule", "beta(" + std::to_string(t) + ") = " + std::to_string(beta),
              "it must lie in (0, 1)", "Use more steps, smaller betas or the cosine schedule"});
      beta_.push_back(beta);
      alpha_bar_.push_back(alpha_bar_.back() * (1 - beta));
    }
  }

  [[nodiscard]] noise_schedule_options const& options() const { return options_; }
  /// T
  [[nodiscard]] int steps() const { return options_.steps; }
  /// β_t, t in 1 … T. This and all that follow \throw error for another t.
  [[nodiscard]] double beta(int t) const { return beta_[checked(t, 1)]; }
  /// ᾱ_t, t in 0 … T.
  [[nodiscard]] double alpha_bar(int t) const { return alpha_bar_[checked(t, 0)]; }
  /// √ᾱ_t, t in 0 … T.
  [[nodiscard]] double signal(int t) const { return std::sqrt(alpha_bar(t)); }
  /// √(1 − ᾱ_t), t in 0 … T.
  [[nodiscard]] double deviation(int t) const { return std::sqrt(1 - alpha_bar(t)); }
  /// ᾱ_t / (1 − ᾱ_t), t in 1 … T.
  [[nodiscard]] double signal_to_noise(int t) const {
    checked(t, 1);
    return alpha_bar(t) / (1 - alpha_bar(t));
  }

  /// ω(t), t in 1 … T.
  [[nodiscard]] double weight(loss_weight kind, int t) const {
    constexpr double most_snr = 5;
    checked(t, 1);
    if (kind == loss_weight::elbo) return beta(t) / (2 * (1 - beta(t)) * (1 - alpha_bar(t)));
    if (kind == loss_weight::velocity) return 1 / alpha_bar(t);
    if (kind == loss_weight::min_snr) return std::min(1.0, most_snr / signal_to_noise(t));
    return 1;
  }

  /// ‖ε − ε̂‖² as a multiple of the squared error of what the model predicts: 1 for ε, ᾱ_t for v.
  [[nodiscard]] double epsilon_error(prediction_kind kind, int t) const {
    return kind == prediction_kind::epsilon ? 1 : alpha_bar(t);
  }

  /// The clean image from z_t and the prediction, t in 1 … T.
  [[nodiscard]] linear_estimate clean(prediction_kind kind, int t) const {
    if (kind == prediction_kind::velocity) return {signal(t), -deviation(t)};
    return {1 / signal(t), -deviation(t) / signal(t)};
  }
  /// The noise from z_t and the prediction, t in 1 … T.
  [[nodiscard]] linear_estimate noise(prediction_kind kind, int t) const {
    if (kind == prediction_kind::velocity) return {deviation(t), signal(t)};
    return {0, 1};
  }

 private:
  std::size_t checked(int t, int first) const {
    if (t < first || t > options_.steps)
      fail({"noise schedule", "t = " + std::to_string(t),
            "steps run from " + std::to_string(first) + " to " + std::to_string(options_.steps),
            "Correct the step"});
    return static_cast<std::size_t>(t);
  }

  noise_schedule_options options_;
  std::vector<double> beta_{0.0};  // at t = 0 nothing happens
  std::vector<double> alpha_bar_{1.0};
};

}  // namespace sysdpo
