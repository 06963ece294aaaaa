// How much noise a diffusion step holds, and what its error weighs. Steps are t = 1 … T; tables are made in
// double on the host, so that every backend sees the same numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

enum class noise_curve {
  linear,  ///< β_t linear between two ends (Ho et al. 2020)
  cosine   ///< ᾱ_t a squared cosine (Nichol and Dhariwal 2021)
};

/// What a model predicts: the noise ε, or the velocity v = √ᾱ·ε − √(1−ᾱ)·z.
enum class prediction_kind { epsilon, velocity };

/// ω(t), on the scale of the ε error.
enum class loss_weight {
  constant,  ///< 1 (Ho et al.'s simple loss)
  elbo,  ///< β_t² / (2σ_t²α_t(1−ᾱ_t)), σ_t² the posterior's variance: what the likelihood bound weighs
  min_snr  ///< min(SNR_t, 5) / SNR_t (Hang et al. 2023)
};

struct noise_schedule_options {
  int steps = 1000;  ///< T
  noise_curve curve = noise_curve::linear;
  double beta_start = 1e-4;  ///< linear: β_1
  double beta_end =
      0.02;  ///< linear: β_T; both are scaled by 1000/T, so that the last step is noise at every T

  friend bool operator==(noise_schedule_options const&, noise_schedule_options const&) = default;
};

class noise_schedule {
 public:
  /// \throws error on options that make no schedule.
  explicit noise_schedule(noise_schedule_options const& options) {
    if (options.steps < 2)
      fail({"noise schedule", "steps = " + std::to_string(options.steps), "there must be at least two",
            "1000 is usual"});
    if (!(options.beta_start > 0 && options.beta_start <= options.beta_end && options.beta_end < 1))
      fail({"noise schedule",
            "beta " + std::to_string(options.beta_start) + " to " + std::to_string(options.beta_end),
            "betas must rise within (0, 1)", "1e-4 to 0.02 are usual"});
    auto const steps = static_cast<double>(options.steps);
    auto const cosine = [&](double t) {
      auto const c = std::cos((t / steps + 0.008) / 1.008 * std::numbers::pi / 2);
      return c * c;
    };
    alpha_bar_.push_back(1);
    beta_.push_back(0);
    for (int t = 1; t <= options.steps; ++t) {
      auto const linear =
          options.beta_start + (options.beta_end - options.beta_start) * (t - 1) / (steps - 1);
      auto const beta =
          options.curve == noise_curve::linear ? linear * 1000 / steps : 1 - cosine(t) / cosine(t - 1);
      beta_.push_back(std::clamp(beta, 1e-8, 0.999));
      alpha_bar_.push_back(alpha_bar_.back() * (1 - beta_.back()));
    }
  }

  [[nodiscard]] int steps() const { return static_cast<int>(beta_.size()) - 1; }

  /// β_t and ᾱ_t, t in 0 … T; ᾱ_0 = 1.
  [[nodiscard]] double beta(int t) const { return beta_[static_cast<std::size_t>(t)]; }
  [[nodiscard]] double alpha_bar(int t) const { return alpha_bar_[static_cast<std::size_t>(t)]; }
  [[nodiscard]] double signal(int t) const { return std::sqrt(alpha_bar(t)); }
  [[nodiscard]] double noise(int t) const { return std::sqrt(1 - alpha_bar(t)); }
  /// ᾱ_t / (1 − ᾱ_t)
  [[nodiscard]] double signal_to_noise(int t) const { return alpha_bar(t) / (1 - alpha_bar(t)); }

  /// ω(t), t in 1 … T. At t = 1 the posterior has no variance; the ELBO takes σ_1² = β_1 there, as DDPM's
  /// decoder does.
  [[nodiscard]] double weight(loss_weight kind, int t) const {
    if (kind == loss_weight::constant) return 1;
    if (kind == loss_weight::min_snr) return std::min(signal_to_noise(t), 5.0) / signal_to_noise(t);
    auto const variance = t == 1 ? beta(1) : beta(t) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t));
    return beta(t) * beta(t) / (2 * variance * (1 - beta(t)) * (1 - alpha_bar(t)));
  }

 private:
  std::vector<double> beta_;
  std::vector<double> alpha_bar_;
};

}  // namespace sysdpo
