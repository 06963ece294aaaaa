// Convolution on the CPU without im2col: images are padded once, one at a time into a cache-sized buffer, and
// read in place from there. x [N, H, W, C], w [O, C, kh, kw], bias [O] or absent, y [N, H', W', O]; nothing
// aliases. The threads share the images.
#pragma once

#include <memory>
#include <vector>

#include "sysdpo/backend/cpu/gathered_product.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"

namespace sysdpo {

struct conv2d_op;

namespace cpu_detail {

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

/// The sizes of a convolution.
struct conv2d_geometry {
  index_t images, height, width, channels, kernel_height, kernel_width, stride, padding, out_height,
      out_width, outputs;

  conv2d_geometry(shape const& x, shape const& w, index_t chosen_stride, index_t chosen_padding)
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

}  // namespace cpu_detail

template <>
struct implement<conv2d_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias, array_view<T> y,
                      index_t stride, index_t padding) {
    using namespace cpu_detail;
    conv2d_geometry const sizes(x.extents, w.extents, stride, padding);
    auto const places = sizes.windows();
    auto const taps = sizes.taps();
    std::vector<index_t> results;
    for (std::size_t pixel = 0; pixel < places.size(); ++pixel)
      results.push_back(static_cast<index_t>(pixel) * sizes.outputs);

    auto const kernel = sizes.kernel_height * sizes.kernel_width;
    scratch<T> const packed(packed_size<T>(kernel, sizes.channels, sizes.outputs));
    pack_panels(
        kernel, sizes.channels, sizes.outputs, bias.data,
        [&](index_t t, index_t c, index_t o) { return w[(o * sizes.channels + c) * kernel + t]; },
        packed.data());

    for_image_parts(sizes.images, sizes.parts(), [&](index_t, index_t begin, index_t end) {
      bordered_image<T> const border(sizes.height, sizes.width, sizes.channels, padding, padding);
      for (auto n = begin; n < end; ++n)
        gathered_product<T>({.source = border(x.data + n * sizes.height * sizes.width * sizes.channels),
                             .destination = y.data + n * sizes.out_height * sizes.out_width * sizes.outputs,
                             .places = places,
                             .results = results,
                             .taps = taps,
                             .depth = sizes.channels,
                             .outputs = sizes.outputs,
                             .packed = packed.data(),
                             .accumulate = false});
    });
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dw, gradient_view<T> dbias, index_t stride,
                       index_t padding) {
    cpu_detail::conv2d_geometry const sizes(x.extents, w.extents, stride, padding);
    if (dx) input_gradient(sizes, w, dy, dx);
    if (dw || dbias) weight_gradient(sizes, x, dy, dw, dbias);
  }

 private:
  // dx is a convolution of dy with the kernel turned round. With a stride, the pixels of dx fall into stride²
  // phases by which of the kernel's elements reach them; each phase is a convolution of stride 1 with those
  // elements alone.
  template <class T>
  static void input_gradient(cpu_detail::conv2d_geometry const& sizes, array_view<T const> w,
                             array_view<T const> dy, gradient_view<T> dx) {
    using namespace cpu_detail;
    auto const stride = sizes.stride;
    auto const padding = sizes.padding;
    auto const before =
        std::max<index_t>(0, std::max((sizes.kernel_height - 1) / stride, (sizes.kernel_width - 1) / stride) -
                                 padding / stride);
    auto const after =
        std::max<index_t>(0, std::max((sizes.height - 1 + padding) / stride - (sizes.out_height - 1),
                                      (sizes.width - 1 + padding) / stride - (sizes.out_width - 1)));
    auto const row_stride = (sizes.out_width + before + after) * sizes.outputs;

    struct phase {
      std::vector<index_t> places, results, taps;
      scratch<T> packed;
    };
    std::vector<std::unique_ptr<phase>> phases;
    for (index_t row = 0; row < stride; ++row)
      for (index_t column = 0; column < stride; ++column) {
        std::vector<index_t> taps;
        std::vector<index_t> elements;
        for (index_t h = row; h < sizes.kernel_height; h += stride)
          for (index_t k = column; k < sizes.kernel_width; k += stride) {
            taps.push_back(-(h / stride) * row_stride - (k / stride) * sizes.outputs);
            elements.push_back(h * sizes.kernel_width + k);
          }
        auto const count = static_cast<index_t>(taps.size());
        auto made = std::unique_ptr<phase>(new phase{
            {}, {}, std::move(taps), scratch<T>(packed_size<T>(count, sizes.outputs, sizes.channels))});
        pack_panels<T>(
            count, sizes.outputs, sizes.channels, nullptr,
            [&](index_t t, index_t o, index_t c) {
              return w[(o * sizes.channels + c) * sizes.kernel_height * sizes.kernel_width +
                       elements[static_cast<std::size_t>(t)]];
            },
            made->packed.data());
        for (index_t h = 0; h < sizes.height; ++h)
          for (index_t k = 0; k < sizes.width; ++k) {
            if ((h + padding) % stride != row || (k + padding) % stride != column) continue;
            made->places.push_back(((h + padding) / stride + before) * row_stride +
                                   ((k + padding) / stride + before) * sizes.outputs);
            made->results.push_back((h * sizes.width + k) * sizes.channels);
          }
        phases.push_back(std::move(made));
      }

    for_image_parts(sizes.images, sizes.parts(), [&](index_t, index_t begin, index_t end) {
      bordered_image<T> const border(sizes.out_height, sizes.out_width, sizes.outputs, before, after);
      for (auto n = begin; n < end; ++n) {
        auto const* const image = border(dy.data + n * sizes.out_height * sizes.out_width * sizes.outputs);
        for (auto const& each : phases)
          gathered_product<T>({.source = image,
                               .destination = dx.data + n * sizes.height * sizes.width * sizes.channels,
                               .places = each->places,
                               .results = each->results,
                               .taps = each->taps,
                               .depth = sizes.outputs,
                               .outputs = sizes.channels,
                               .packed = each->packed.data(),
                               .accumulate = dx.accumulate});
      }
    });
  }

  template <class T>
  static void weight_gradient(cpu_detail::conv2d_geometry const& sizes, array_view<T const> x,
                              array_view<T const> dy, gradient_view<T> dw, gradient_view<T> dbias) {
    using namespace cpu_detail;
    auto const places = sizes.windows();
    auto const taps = sizes.taps();
    auto const pixels = sizes.out_height * sizes.out_width;
    auto const columns = round_up_to_packet<T>(sizes.outputs);
    auto const kernel = sizes.kernel_height * sizes.kernel_width;
    auto const part_size = (kernel * sizes.channels + 1) * columns;  // the weights' sums, then the biases'
    auto const parts = sizes.parts();
    scratch<T> const sums(parts * part_size);
    std::fill_n(sums.data(), parts * part_size, T{0});

    for_image_parts(sizes.images, parts, [&](index_t part, index_t begin, index_t end) {
      bordered_image<T> const border(sizes.height, sizes.width, sizes.channels, sizes.padding, sizes.padding);
      scratch<T> const widened(columns == sizes.outputs ? 0 : pixels * columns);
      auto* const part_sums = sums.data() + part * part_size;
      for (auto n = begin; n < end; ++n) {
        auto const* upstream = dy.data + n * pixels * sizes.outputs;
        if (columns != sizes.outputs) {
          std::fill_n(widened.data(), pixels * columns, T{0});
          for (index_t pixel = 0; pixel < pixels; ++pixel)
            std::copy_n(upstream + pixel * sizes.outputs, sizes.outputs, widened.data() + pixel * columns);
          upstream = widened.data();
        }
        if (dw)
          gathered_outer<T>({.source = border(x.data + n * sizes.height * sizes.width * sizes.channels),
                             .upstream = upstream,
                             .places = places,
                             .taps = taps,
                             .depth = sizes.channels,
                             .columns = columns,
                             .sums = part_sums});
        if (dbias)
          for (index_t pixel = 0; pixel < pixels; ++pixel)
            array_map<T>(part_sums + part_size - columns, columns) +=
                const_array_map<T>(upstream + pixel * columns, columns);
      }
    });

    for (index_t part = 1; part < parts; ++part)
      array_map<T>(sums.data(), part_size) += const_array_map<T>(sums.data() + part * part_size, part_size);
    if (dbias)
      store(array_map<T>(dbias.data, sizes.outputs), dbias.accumulate,
            const_array_map<T>(sums.data() + part_size - columns, sizes.outputs));
    if (!dw) return;
    for (index_t o = 0; o < sizes.outputs; ++o)
      for (index_t c = 0; c < sizes.channels; ++c)
        for (index_t t = 0; t < kernel; ++t) {
          auto& to = dw.data[(o * sizes.channels + c) * kernel + t];
          auto const sum = sums[(t * sizes.channels + c) * columns + o];
          to = dw.accumulate ? to + sum : sum;
        }
  }
};

}  // namespace sysdpo
