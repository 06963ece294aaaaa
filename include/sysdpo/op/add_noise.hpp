// Forward diffusion and its relatives: y_r = a_r·x_r + b_r·e_r, one pair of coefficients for each row. No
// gradient.
#pragma once

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct add_noise_op;

/// x and noise [R, …], signal_scale and noise_scale [R] → [R, …]: z_t = √ᾱ_t·z + √(1−ᾱ_t)·ε (Ho et al. 2020,
/// eq. 4); with noise, image, √ᾱ_t and −√(1−ᾱ_t) it is the velocity v (Salimans and Ho 2022). \throws error
/// if the shapes do not fit.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> add_noise(tensor<Backend, T> const& x, tensor<Backend, T> const& noise,
                                           tensor<Backend, T> const& signal_scale,
                                           tensor<Backend, T> const& noise_scale) {
  if (x.extents() != noise.extents() || x.extents().rank() < 1 ||
      signal_scale.extents() != shape{x.extent(0)} || noise_scale.extents() != shape{x.extent(0)})
    fail({"add_noise",
          "x " + to_string(x.extents()) + ", noise " + to_string(noise.extents()) + ", scales " +
              to_string(signal_scale.extents()) + " and " + to_string(noise_scale.extents()),
          "the shapes do not fit", "Give noise like x and one scale of each kind a row"});
  tensor<Backend, T> y(x.extents());
  implement<add_noise_op, Backend>::forward(x.const_view(), noise.const_view(), signal_scale.const_view(),
                                            noise_scale.const_view(), y.view());
  return y;
}

}  // namespace sysdpo
