// One reverse step of a diffusion sampler on the CPU. `next` aliases nothing.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct diffusion_step_op;

template <>
struct implement<diffusion_step_op, cpu> {
  /// From z and the prediction: x̂ = (z − noise·ε̂) / signal, clipped, ε̂ made consistent with it; next =
  /// next_signal·x̂ + next_noise·ε̂ + fresh·normals. All of one size; `normals` is read only where fresh > 0.
  template <class T, class Step>
  static void forward(array_view<T const> z, array_view<T const> prediction, array_view<T const> normals,
                      Step const& step, array_view<T> next) {
    auto const signal = static_cast<T>(step.signal);
    auto const noise = static_cast<T>(step.noise);
    auto const clip = static_cast<T>(step.clip);
    parallel_for(z.size(), cpu_detail::elementwise_grain, [&](index_t begin, index_t end) {
      for (auto i = begin; i < end; ++i) {
        auto image =
            step.velocity ? signal * z[i] - noise * prediction[i] : (z[i] - noise * prediction[i]) / signal;
        if (clip > 0) image = image > clip ? clip : image < -clip ? -clip : image;
        auto const error = (z[i] - signal * image) / noise;
        next[i] = static_cast<T>(step.next_signal) * image + static_cast<T>(step.next_noise) * error;
        if (step.fresh > 0) next[i] += static_cast<T>(step.fresh) * normals[i];
      }
    });
  }
};

}  // namespace sysdpo
