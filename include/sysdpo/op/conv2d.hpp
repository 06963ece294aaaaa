// y = x ∗ w + b, the 2-d convolution (cross-correlation, as everywhere in the field) of images in NHWC.
// Weights keep the layout of PyTorch and of safetensors files, OIHW; a backend that likes another packs them
// as it goes.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct conv2d_op;

/// How a kernel moves over an image.
struct conv2d_options {
  index_t stride = 1;
  index_t padding = 0;  ///< zeros around the image, on each side
};

/// x [N, H, W, C], weight [O, C, kh, kw], bias [O] or empty → [N, H', W', O] with H' = (H + 2·padding − kh) /
/// stride + 1, rounded down. \throws error if the shapes do not fit or nothing would be left of the image.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> conv2d(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                          variable<Backend, T> const& weight,
                                          variable<Backend, T> const& bias,
                                          conv2d_options const& options = {}) {
  auto const place = "x " + to_string(x.extents()) + ", weight " + to_string(weight.extents());
  if (x.extents().rank() != 4 || weight.extents().rank() != 4 || x.extent(3) != weight.extent(1))
    fail({"conv2d", place, "the channels differ", "Give images [N, H, W, C] and a weight [O, C, kh, kw]"});
  if (bias && bias.extents() != shape{weight.extent(0)})
    fail({"conv2d", "bias " + to_string(bias.extents()),
          "the weight has " + std::to_string(weight.extent(0)) + " outputs", "Give one bias per output"});
  if (options.stride < 1 || options.padding < 0)
    fail({"conv2d", "options",
          "stride " + std::to_string(options.stride) + ", padding " + std::to_string(options.padding),
          "Give a stride of at least 1 and no negative padding"});
  auto const reach = [&](int axis) { return x.extent(axis) + 2 * options.padding - weight.extent(axis + 1); };
  if (reach(1) < 0 || reach(2) < 0)
    fail({"conv2d", place, "the kernel is larger than the padded image",
          "Use a larger image or less downsampling"});

  tensor<Backend, T> y(
      {x.extent(0), reach(1) / options.stride + 1, reach(2) / options.stride + 1, weight.extent(0)});
  implement<conv2d_op, Backend>::forward(x.view(), weight.view(), bias.view(), y.view(), options.stride,
                                         options.padding);
  return tape.record(std::move(y), {x, weight, bias},
                     [x = x.value(), w = weight.value(), options, dx = gradient_of(x),
                      dw = gradient_of(weight), dbias = gradient_of(bias)](array_view<T const> dy) {
                       implement<conv2d_op, Backend>::backward(x.const_view(), w.const_view(), dy, dx.sink(),
                                                               dw.sink(), dbias.sink(), options.stride,
                                                               options.padding);
                     });
}

}  // namespace sysdpo
