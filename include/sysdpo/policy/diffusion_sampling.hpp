// Drawing images from a denoising model: from pure noise at t = T down to t = 0 over some of the schedule's
// steps.
//
// A step from t to s estimates the clean image x̂ and takes
//   z_s = √ᾱ_s·x̂ + √(1 − ᾱ_s − σ²)·ε̂ + σ·n,   ε̂ = (z_t − √ᾱ_t·x̂) / √(1 − ᾱ_t),
//   σ = η·√((1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s))
// (Song, Meng and Ermon, "Denoising diffusion implicit models", 2021). η = 0 is DDIM; η = 1 is DDPM's
// ancestral sampling, the posterior of z_s given z_t and x̂ (Ho, Jain and Abbeel, 2020). Guidance: Ho and
// Salimans, "Classifier-free diffusion guidance" (2022).
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/op/diffusion_step.hpp"
#include "sysdpo/policy/noise_schedule.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

/// How images are drawn.
struct diffusion_sampling {
  int steps = 50;            ///< evaluations of the model, at evenly spaced t, the first at T; 0 takes all T
  double eta = 0;            ///< 0 DDIM, 1 DDPM
  double guidance = 1;       ///< p = p_∅ + guidance·(p_caption − p_∅); 1 is none and costs nothing
  double clip = 1;           ///< x̂ is kept within ±clip; 0 leaves it alone
  int images_at_a_time = 0;  ///< memory grows with it, whatever the number of images; 0: eight a thread

  [[nodiscard]] bool is_guided() const { return guidance != 1; }
};

/// The steps t that sampling visits, from T down, and behind them 0. \throws error on options out of range.
[[nodiscard]] inline std::vector<int> sampling_steps(noise_schedule const& schedule,
                                                     diffusion_sampling const& options) {
  auto const count = options.steps == 0 ? schedule.steps() : options.steps;
  if (count < 1 || count > schedule.steps())
    fail({"diffusion sampling", "steps = " + std::to_string(options.steps),
          "the schedule has " + std::to_string(schedule.steps()), "Ask for at most as many, or 0 for all"});
  if (!(options.eta >= 0 && options.eta <= 1) || !(options.clip >= 0) || !std::isfinite(options.guidance) ||
      options.images_at_a_time < 0)
    fail({"diffusion sampling",
          "eta = " + std::to_string(options.eta) + ", clip = " + std::to_string(options.clip) +
              ", guidance = " + std::to_string(options.guidance) +
              ", images_at_a_time = " + std::to_string(options.images_at_a_time),
          "an option is out of range",
          "Choose eta in [0, 1], clip >= 0, a finite guidance and images_at_a_time >= 0"});
  std::vector<int> visited;
  for (auto i = count; i >= 0; --i)
    visited.push_back(static_cast<int>(static_cast<long long>(schedule.steps()) * i / count));
  return visited;
}

/// The step from t to s < t. \throws error if they are no steps of the schedule.
[[nodiscard]] inline diffusion_step_coefficients sampling_step(noise_schedule const& schedule,
                                                               prediction_kind kind,
                                                               diffusion_sampling const& options, int t,
                                                               int s) {
  auto const clean = schedule.clean(kind, t);
  auto const noise_then = 1 - schedule.alpha_bar(s);
  auto const noise_now = 1 - schedule.alpha_bar(t);
  auto const sigma =
      options.eta * std::sqrt(noise_then / noise_now * (1 - schedule.alpha_bar(t) / schedule.alpha_bar(s)));
  auto const next_of_z = std::sqrt(std::max(0.0, noise_then - sigma * sigma) / noise_now);
  return {.clean_of_z = clean.of_z,
          .clean_of_prediction = clean.of_prediction,
          .limit = options.clip,
          .next_of_clean = schedule.signal(s) - next_of_z * schedule.signal(t),
          .next_of_z = next_of_z,
          .next_of_noise = sigma,
          .guidance = options.guidance};
}

/// Standard normal rows [keys.size(), extents...], row r under keys[r] with `draw` added to its draw index.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> normal_rows(std::span<draw_key const> keys, shape const& extents,
                                             std::uint32_t draw = 0) {
  shape all{static_cast<index_t>(keys.size())};
  for (int axis = 0; axis < extents.rank(); ++axis) all.append(extents[axis]);
  auto const size = static_cast<std::size_t>(extents.size());
  std::vector<float> normals(keys.size() * size);
  for (std::size_t row = 0; row < keys.size(); ++row) {
    auto key = keys[row];
    key.draw += draw;
    fill_normal(std::span(normals).subspan(row * size, size), key);
  }
  if constexpr (std::is_same_v<T, float>)
    return tensor<Backend, T>::from_host(all, normals);
  else
    return tensor<Backend, T>::from_host(all, std::vector<T>(normals.begin(), normals.end()));
}

namespace detail {

/// `rows` and behind them the same again.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> twice(tensor<Backend, T> const& rows) {
  shape extents{2 * rows.extent(0)};
  for (int axis = 1; axis < rows.extents().rank(); ++axis) extents.append(rows.extent(axis));
  tensor<Backend, T> both(extents);
  Backend::copy(both.data(), rows.data(), rows.bytes());
  Backend::copy(both.data() + rows.size(), rows.data(), rows.bytes());
  return both;
}

}  // namespace detail

/// Draws one image of `extents` ([H, W, C]) for each key → [keys.size(), H, W, C]. Row r depends on keys[r]
/// and on what is predicted for it alone, never on the rest of the batch; it uses the draw indices from
/// keys[r].draw to keys[r].draw + steps.
///
/// `predict(z, t)` takes z [R, H, W, C] and t [R] (int32) and returns the prediction, a tensor of z's
/// extents. Under guidance it is called with 2R rows, the second half (the same z and t again) to be
/// predicted without the caption.
template <class Backend, class T, class Predict>
[[nodiscard]] tensor<Backend, T> sample_diffusion(Predict&& predict, noise_schedule const& schedule,
                                                  prediction_kind kind, diffusion_sampling const& options,
                                                  shape const& extents, std::span<draw_key const> keys) {
  auto const visited = sampling_steps(schedule, options);
  auto z = normal_rows<Backend, T>(keys, extents);
  auto const copies = options.is_guided() ? std::size_t{2} : std::size_t{1};
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    auto const step = sampling_step(schedule, kind, options, visited[i], visited[i + 1]);
    std::vector<std::int32_t> const t(copies * keys.size(), visited[i]);
    auto const steps = tensor<Backend, std::int32_t>::from_host({static_cast<index_t>(t.size())}, t);
    tensor<Backend, T> const prediction = predict(options.is_guided() ? detail::twice(z) : z, steps);
    tensor<Backend, T> noise;
    if (step.next_of_noise > 0)
      noise = normal_rows<Backend, T>(keys, extents, static_cast<std::uint32_t>(i + 1));
    z = diffusion_step(z, prediction, noise, step);
  }
  return z;
}

}  // namespace sysdpo
