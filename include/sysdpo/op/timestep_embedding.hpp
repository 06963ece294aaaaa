// The sinusoidal embedding of diffusion steps, as UNets of the diffusers family take it (cosines first, no
// frequency shift).
#pragma once

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct timestep_embedding_op;

/// t [R] → [R, width]: cos(t·f_i) for i < width / 2, then sin(t·f_i), with f_i = 10000^(−2i / width). Takes
/// no gradient. \throws error if `width` is odd or not positive.
template <class T, class Backend>
[[nodiscard]] tensor<Backend, T> timestep_embedding(tensor<Backend, std::int32_t> const& t, index_t width) {
  if (width < 2 || width % 2 != 0)
    fail({"timestep_embedding", "", "a width of " + std::to_string(width) + " is not even and positive",
          "Choose an even width"});
  tensor<Backend, T> y({t.size(), width});
  implement<timestep_embedding_op, Backend>::forward(t.const_view(), y.view());
  return y;
}

}  // namespace sysdpo
