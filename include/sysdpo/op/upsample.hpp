// Twice the height and width, each pixel repeated: the nearest-neighbour upsampling of UNets.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct upsample_op;

/// x [N, H, W, C] → [N, 2H, 2W, C]. \throws error if x is no batch of images.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> upsample(tape<Backend, T>& tape, variable<Backend, T> const& x) {
  if (x.extents().rank() != 4)
    fail({"upsample", "x " + to_string(x.extents()), "is no batch of images", "Give [N, H, W, C]"});
  tensor<Backend, T> y({x.extent(0), 2 * x.extent(1), 2 * x.extent(2), x.extent(3)});
  implement<upsample_op, Backend>::forward(x.view(), y.view());
  return tape.record(std::move(y), {x}, [extents = x.extents(), dx = gradient_of(x)](array_view<T const> dy) {
    implement<upsample_op, Backend>::backward(dy, dx.sink(), extents);
  });
}

}  // namespace sysdpo
