// What a convolution's kernel sees of images, as rows of a matrix, so that the convolution is a product with
// the weights as they lie, [O, C, kh, kw]: for shapes that no library takes. x [images, height, width,
// channels], patches [images · out_height · out_width, channels · kh · kw]. An element a thread. Nothing
// aliases. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// The sizes of a convolution.
struct patches_layout {
  index_t images;
  int height, width, channels;
  int kernel_height, kernel_width, stride, padding;
  int out_height, out_width;

  [[nodiscard]] SYSDPO_HOST_DEVICE index_t columns() const {
    return index_t{channels} * kernel_height * kernel_width;
  }
  [[nodiscard]] SYSDPO_HOST_DEVICE index_t rows() const { return images * out_height * out_width; }
  /// Elements of x.
  [[nodiscard]] SYSDPO_HOST_DEVICE index_t size() const { return images * height * width * channels; }
};

/// patches from x; 0 beyond an image's border.
template <class T>
struct patches {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    patches_layout layout;
    T* patches;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return ceil_divide(given.layout.rows() * given.layout.columns(), threads);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const& layout = given.layout;
    auto const at = block.index() * threads + block.thread();
    if (at >= layout.rows() * layout.columns()) return;
    auto const row = at / layout.columns();
    auto const column = static_cast<int>(at - row * layout.columns());
    int const taps = layout.kernel_height * layout.kernel_width;
    int const channel = column / taps;
    int const tap = column - channel * taps;
    auto const line = row / layout.out_width;
    auto const image = line / layout.out_height;
    int const h = static_cast<int>(line - image * layout.out_height) * layout.stride +
                  tap / layout.kernel_width - layout.padding;
    int const w = static_cast<int>(row - line * layout.out_width) * layout.stride +
                  tap % layout.kernel_width - layout.padding;
    float x[1] = {0};
    if (h >= 0 && h < layout.height && w >= 0 && w < layout.width)
      load(x, given.x + ((image * layout.height + h) * layout.width + w) * layout.channels + channel);
    store(given.patches + at, x);
  }
};

/// dx = Σ dpatches over all places that an element of x has in them, or += it; in their order, in float.
template <class T>
struct patches_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* dpatches;
    patches_layout layout;
    T* dx;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.layout.size(), threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const& layout = given.layout;
    auto const at = block.index() * threads + block.thread();
    if (at >= layout.size()) return;
    auto const pixel = at / layout.channels;
    auto const channel = at - pixel * layout.channels;
    auto const line = pixel / layout.width;
    auto const image = line / layout.height;
    int const h = static_cast<int>(line - image * layout.height) + layout.padding;
    int const w = static_cast<int>(pixel - line * layout.width) + layout.padding;
    int const taps = layout.kernel_height * layout.kernel_width;
    float sum[1] = {0};
    for (int tap = 0; tap < taps; ++tap) {
      int const top = h - tap / layout.kernel_width;
      int const left = w - tap % layout.kernel_width;
      if (top < 0 || left < 0 || top % layout.stride != 0 || left % layout.stride != 0) continue;
      int const row = top / layout.stride;
      int const column = left / layout.stride;
      if (row >= layout.out_height || column >= layout.out_width) continue;
      float x[1];
      load(x, given.dpatches +
                  ((image * layout.out_height + row) * layout.out_width + column) * layout.columns() +
                  channel * taps + tap);
      sum[0] += x[0];
    }
    store(given.dx + at, sum, given.accumulate);
  }
};

}  // namespace sysdpo::kernel
