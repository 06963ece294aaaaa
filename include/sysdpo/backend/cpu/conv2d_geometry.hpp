// What the ways to convolve on the CPU share: sizes, images with a border, how the threads share the images.
#pragma once

#include <algorithm>
#include <vector>

#include "sysdpo/backend/conv2d_sizes.hpp"
#include "sysdpo/backend/cpu/parallel.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"

namespace sysdpo::cpu_detail {

/// Images with a border of zeros, made one at a time. Without a border they are read where they are.
template <class T>
class bordered_image {
 public:
  /// `before` rows and columns of zeros on the upper and left sides, `after` on the lower and right ones.
  bordered_image(index_t height, index_t width, index_t channels, index_t before, index_t after)
      : height_(height),
        row_(width * channels),
        row_stride_((width + before + after) * channels),
        start_(before * (row_stride_ + channels)),
        copied_(before + after > 0),
        buffer_(copied_ ? (height + before + after) * row_stride_ : 0) {
    if (copied_) std::fill_n(buffer_.data(), (height + before + after) * row_stride_, T{0});
  }

  [[nodiscard]] T const* operator()(T const* image) const {
    if (!copied_) return image;
    for (index_t h = 0; h < height_; ++h)
      std::copy_n(image + h * row_, row_, buffer_.data() + start_ + h * row_stride_);
    return buffer_.data();
  }

 private:
  index_t height_, row_, row_stride_, start_;
  bool copied_;
  scratch<T> buffer_;
};

/// Cuts `images` over the threads: body(part, begin, end), parts numbered from 0.
template <class Body>
void for_image_parts(index_t images, index_t parts, Body&& body) {
  parallel_for(parts, 1, [&](index_t first, index_t last) {
    for (auto part = first; part < last; ++part)
      body(part, images * part / parts, images * (part + 1) / parts);
  });
}

/// The sizes of a convolution, and where its windows lie.
struct conv2d_geometry : conv2d_sizes {
  using conv2d_sizes::conv2d_sizes;

  /// Elements of an image, and of its result.
  [[nodiscard]] index_t image_size() const { return height * width * channels; }
  [[nodiscard]] index_t result_size() const { return out_height * out_width * outputs; }
  [[nodiscard]] index_t padded_width() const { return width + 2 * padding; }
  [[nodiscard]] index_t parts() const {
    auto const work = images * out_height * out_width * outputs * kernel_height * kernel_width * channels;
    return std::clamp<index_t>(std::min<index_t>(cpu_threads(), work >> 16), 1, std::max<index_t>(images, 1));
  }

  /// Where each output pixel's window starts in the padded image.
  [[nodiscard]] std::vector<index_t> windows() const {
    std::vector<index_t> places;
    for (index_t h = 0; h < out_height; ++h)
      for (index_t w = 0; w < out_width; ++w) places.push_back((h * padded_width() + w) * stride * channels);
    return places;
  }
  /// Offsets of the kernel's elements within a window.
  [[nodiscard]] std::vector<index_t> taps() const {
    std::vector<index_t> offsets;
    for (index_t h = 0; h < kernel_height; ++h)
      for (index_t w = 0; w < kernel_width; ++w) offsets.push_back((h * padded_width() + w) * channels);
    return offsets;
  }
};

}  // namespace sysdpo::cpu_detail
