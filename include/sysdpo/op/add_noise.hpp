// The forward process of diffusion, row by row: z_t = √ᾱ_t · z + √(1 − ᾱ_t) · ε, and what a model that sees
// z_t is asked for. ε is drawn where it is used (core/philox.hpp): the same numbers on every backend.
#pragma once

#include <span>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct add_noise_op;

/// What a denoising model predicts.
enum class denoising_target {
  noise,    ///< ε
  velocity  ///< √ᾱ·ε − √(1−ᾱ)·z
};

/// Rows with noise, and what a model should say of them.
template <class Backend, class T>
struct noised {
  tensor<Backend, T> noisy;
  tensor<Backend, T> target;
};

/// z [R, ...], a key a row, signal (√ᾱ) and deviation (√(1−ᾱ)) [R] → both of z's extents. Element i of row r
/// has element i of the normal stream of keys[r]. Takes no gradient. \throws error if the numbers of rows
/// differ.
template <class Backend, class T>
[[nodiscard]] noised<Backend, T> add_noise(tensor<Backend, T> const& z, std::span<draw_key const> keys,
                                           tensor<Backend, widened<T>> const& signal,
                                           tensor<Backend, widened<T>> const& deviation,
                                           denoising_target wanted) {
  auto const rows = static_cast<index_t>(keys.size());
  if (z.extents().rank() < 1 || z.extent(0) != rows || signal.extents() != shape{rows} ||
      deviation.extents() != shape{rows})
    fail({"add_noise",
          "z " + to_string(z.extents()) + ", " + std::to_string(rows) + " keys, signal " +
              to_string(signal.extents()) + ", deviation " + to_string(deviation.extents()),
          "the numbers of rows differ", "Give one key and one coefficient of each kind a row"});
  std::vector<philox_stream> streams;
  streams.reserve(keys.size());
  for (auto const& key : keys) streams.emplace_back(key);
  auto const on_device = tensor<Backend, philox_stream>::from_host({rows}, streams);
  noised<Backend, T> made{tensor<Backend, T>(z.extents()), tensor<Backend, T>(z.extents())};
  implement<add_noise_op, Backend>::forward(z.const_view(), on_device.const_view(), signal.const_view(),
                                            deviation.const_view(), wanted == denoising_target::velocity,
                                            made.noisy.view(), made.target.view());
  return made;
}

}  // namespace sysdpo
