// The forward process of diffusion: z_t = √ᾱ_t · z + √(1 − ᾱ_t) · ε, row by row.
#pragma once

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct add_noise_op;

/// z, noise [R, ...], signal, deviation [R] → signal[r] · z[r] + deviation[r] · noise[r], extents of z. Takes
/// no gradient. The velocity √ᾱ·ε − √(1−ᾱ)·z is the same with z and noise exchanged and the deviations
/// negated. \throws error if the shapes differ.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> add_noise(tensor<Backend, T> const& z, tensor<Backend, T> const& noise,
                                           tensor<Backend, T> const& signal,
                                           tensor<Backend, T> const& deviation) {
  if (z.extents().rank() < 1 || z.extents() != noise.extents() || signal.extents() != shape{z.extent(0)} ||
      deviation.extents() != signal.extents())
    fail({"add_noise",
          "z " + to_string(z.extents()) + ", noise " + to_string(noise.extents()) + ", signal " +
              to_string(signal.extents()) + ", deviation " + to_string(deviation.extents()),
          "the shapes differ", "Give noise of z's shape and one coefficient a row"});
  tensor<Backend, T> noisy(z.extents());
  implement<add_noise_op, Backend>::forward(z.const_view(), noise.const_view(), signal.const_view(),
                                            deviation.const_view(), noisy.view());
  return noisy;
}

}  // namespace sysdpo
