// Drawing images from a denoiser: DDIM (Song et al. 2021) over a subset of the steps, with η = 1 and all
// steps DDPM's ancestral sampler. A row's noise follows from its key alone, whatever else is in the batch.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/policy/noise_schedule.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct diffusion_step_op;

struct diffusion_sampling {
  int steps = 50;  ///< how many of the T steps are taken, evenly spaced, the last one included
  double eta = 0;  ///< 0: deterministic after the first noise (DDIM); 1: DDPM's variance
  double guidance =
      1;  ///< classifier-free: prediction = unconditional + guidance·(conditional − unconditional); 1 is none
  double clip = 1;  ///< the estimate of the clean image is kept within ±clip; 0 does not clip
};

/// \throws error that names the first option out of range.
inline void validate(diffusion_sampling const& options, noise_schedule const& schedule) {
  auto const require = [](bool good, char const* option, double value, char const* cause) {
    if (!good)
      fail({"diffusion sampling", std::string(option) + " = " + std::to_string(value), cause,
            "Correct the option"});
  };
  require(options.steps >= 1 && options.steps <= schedule.steps(), "steps", options.steps,
          "it must lie between 1 and the schedule's steps");
  require(options.eta >= 0 && options.eta <= 1, "eta", options.eta, "it must lie in [0, 1]");
  require(options.guidance >= 0 && std::isfinite(options.guidance), "guidance", options.guidance,
          "it must not be negative");
  require(options.clip >= 0, "clip", options.clip, "it must not be negative");
}

/// The coefficients of one step, as `implement<diffusion_step_op, Backend>` takes them.
struct diffusion_step {
  double signal, noise;            ///< of z_t
  double next_signal, next_noise;  ///< of z_s: √ᾱ_s and √(1 − ᾱ_s − σ²)
  double fresh;                    ///< σ, of new noise
  double clip;
  bool velocity;  ///< the prediction is v, else ε
};

/// Draws one sample a key. `predict(z, t)` gives the model's prediction [R, …] for noisy rows z at step t,
/// the same for all rows; guidance is the caller's, inside `predict`. `extents` is [R, …] with R =
/// keys.size(). \throws error on options out of range.
template <class Backend, class T, class Predict>
[[nodiscard]] tensor<Backend, T> sample_diffusion(shape const& extents, std::span<draw_key const> keys,
                                                  noise_schedule const& schedule, prediction_kind prediction,
                                                  diffusion_sampling const& options, Predict&& predict) {
  validate(options, schedule);
  auto const rows = static_cast<index_t>(keys.size());
  if (extents.rank() < 1 || extents[0] != rows)
    fail({"diffusion sampling", to_string(extents), std::to_string(rows) + " keys were given",
          "Give one key a row"});
  auto const elements = rows == 0 ? 0 : extents.size() / rows;
  std::vector<float> normals(static_cast<std::size_t>(elements));
  std::vector<T> host(static_cast<std::size_t>(extents.size()));
  auto const noise = [&](std::uint32_t draw) {
    for (index_t row = 0; row < rows; ++row) {
      auto key = keys[static_cast<std::size_t>(row)];
      key.draw += draw;
      fill_normal(normals, key);
      std::copy(normals.begin(), normals.end(), host.begin() + row * elements);
    }
    return tensor<Backend, T>::from_host(extents, host);
  };

  auto z = noise(0);
  for (int i = options.steps; i >= 1; --i) {
    auto const t = schedule.steps() * i / options.steps;
    auto const s = schedule.steps() * (i - 1) / options.steps;
    auto const posterior = (1 - schedule.alpha_bar(s)) / (1 - schedule.alpha_bar(t)) *
                           (1 - schedule.alpha_bar(t) / schedule.alpha_bar(s));
    auto const sigma = options.eta * std::sqrt(std::max(0.0, posterior));
    diffusion_step const step{
        .signal = schedule.signal(t),
        .noise = schedule.noise(t),
        .next_signal = schedule.signal(s),
        .next_noise = std::sqrt(std::max(0.0, 1 - schedule.alpha_bar(s) - sigma * sigma)),
        .fresh = sigma,
        .clip = options.clip,
        .velocity = prediction == prediction_kind::velocity};
    tensor<Backend, T> const predicted = predict(std::as_const(z), t);
    auto const fresh = sigma > 0 ? noise(static_cast<std::uint32_t>(options.steps - i + 1)) : z;
    tensor<Backend, T> next(extents);
    implement<diffusion_step_op, Backend>::forward(z.const_view(), predicted.const_view(), fresh.const_view(),
                                                   step, next.view());
    z = std::move(next);
  }
  return z;
}

}  // namespace sysdpo
