// One step of a diffusion sampler: guidance, the estimate of the clean image, its clipping and the step
// itself in one sweep.
#pragma once

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct diffusion_step_op;

/// clean = clip(clean_of_z·z + clean_of_prediction·p, ±limit), next = next_of_clean·clean + next_of_z·z +
/// next_of_noise·noise, with p = q + guidance·(p₊ − q) if a second, unconditional prediction q is given.
struct diffusion_step_coefficients {
  double clean_of_z = 1;
  double clean_of_prediction = 0;
  double limit = 0;  ///< 0: no clipping
  double next_of_clean = 1;
  double next_of_z = 0;
  double next_of_noise = 0;
  double guidance = 1;
};

/// z [R, ...]; prediction [R, ...], or [2R, ...] with the unconditional rows behind the conditional ones;
/// noise of z's shape, or empty if its coefficient is 0 → the next z. \throws error if the shapes do not fit.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> diffusion_step(tensor<Backend, T> const& z,
                                                tensor<Backend, T> const& prediction,
                                                tensor<Backend, T> const& noise,
                                                diffusion_step_coefficients const& coefficients) {
  if ((prediction.size() != z.size() && prediction.size() != 2 * z.size()) ||
      (noise && noise.size() != z.size()))
    fail({"diffusion_step",
          "z " + to_string(z.extents()) + ", prediction " + to_string(prediction.extents()) + ", noise " +
              to_string(noise.extents()),
          "the sizes do not fit", "Predict for each row once, or twice for guidance"});
  tensor<Backend, T> next(z.extents());
  implement<diffusion_step_op, Backend>::forward(
      z.const_view(), prediction.const_view(), noise.const_view(), coefficients.clean_of_z,
      coefficients.clean_of_prediction, coefficients.limit, coefficients.next_of_clean,
      coefficients.next_of_z, coefficients.next_of_noise, coefficients.guidance, next.view());
  return next;
}

}  // namespace sysdpo
