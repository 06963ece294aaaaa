// The sizes of a convolution of images in NHWC, as every backend counts them.
#pragma once

#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

/// The sizes of a convolution of x [images, height, width, channels] by w [outputs, channels, kernel_height,
/// kernel_width].
struct conv2d_sizes {
  index_t images, height, width, channels, kernel_height, kernel_width, stride, padding, out_height,
      out_width, outputs;

  conv2d_sizes(shape const& x, shape const& w, index_t chosen_stride, index_t chosen_padding)
      : images(x[0]),
        height(x[1]),
        width(x[2]),
        channels(x[3]),
        kernel_height(w[2]),
        kernel_width(w[3]),
        stride(chosen_stride),
        padding(chosen_padding),
        out_height((height + 2 * padding - kernel_height) / stride + 1),
        out_width((width + 2 * padding - kernel_width) / stride + 1),
        outputs(w[0]) {}
};

}  // namespace sysdpo
