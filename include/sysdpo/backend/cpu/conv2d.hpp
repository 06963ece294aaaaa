// Convolution on the CPU without im2col: images are padded once, one at a time into a cache-sized buffer, and
// read in place from there. Kernels of 3×3 with a stride of 1 take fewer products (winograd.hpp) where rows
// divide by four. x [N, H, W, C], w [O, C, kh, kw], bias [O] or absent, y [N, H', W', O]; nothing aliases.
// The threads share the images.
#pragma once

#include <memory>
#include <vector>

#include "sysdpo/backend/cpu/conv2d_geometry.hpp"
#include "sysdpo/backend/cpu/gathered_product.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/partial_sums.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"
#include "sysdpo/backend/cpu/winograd.hpp"

namespace sysdpo {

struct conv2d_op;

template <>
struct implement<conv2d_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias, array_view<T> y,
                      index_t stride, index_t padding) {
    using namespace cpu_detail;
    conv2d_geometry const sizes(x.extents, w.extents, stride, padding);
    if (winograd<T>::fits(sizes))
      return winograd<T>::convolve(
          sizes, x.data,
          [&](index_t row, index_t column, index_t c, index_t o) {
            return w[((o * sizes.channels + c) * 3 + row) * 3 + column];
          },
          bias.data, y.data, false);
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
        gathered_product<T>({.source = border(x.data + n * sizes.image_size()),
                             .destination = y.data + n * sizes.result_size(),
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
    if (dw) weight_gradient(sizes, x, dy, dw);
    if (dbias) cpu_detail::column_sums(dy.data, dy.extents.rows(), sizes.outputs, dbias);
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
    conv2d_geometry const turned(dy.extents, {sizes.channels, sizes.outputs, 3, 3}, 1, 2 - padding);
    if (sizes.kernel_height == 3 && sizes.kernel_width == 3 && stride == 1 && winograd<T>::fits(turned))
      return winograd<T>::convolve(
          turned, dy.data,
          [&](index_t row, index_t column, index_t o, index_t c) {
            return w[((o * sizes.channels + c) * 3 + 2 - row) * 3 + 2 - column];
          },
          nullptr, dx.data, dx.accumulate);
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
        auto const* const image = border(dy.data + n * sizes.result_size());
        for (auto const& each : phases)
          gathered_product<T>({.source = image,
                               .destination = dx.data + n * sizes.image_size(),
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
                              array_view<T const> dy, gradient_view<T> dw) {
    using namespace cpu_detail;
    auto const kernel = sizes.kernel_height * sizes.kernel_width;
    auto const add = [&](index_t row, index_t column, index_t c, index_t o, T sum) {
      auto& to = dw.data[(o * sizes.channels + c) * kernel + row * sizes.kernel_width + column];
      to = dw.accumulate ? to + sum : sum;
    };
    if (winograd<T>::fits(sizes)) return winograd<T>::weight_gradient(sizes, x.data, dy.data, add);
    auto const places = sizes.windows();
    auto const taps = sizes.taps();
    auto const pixels = sizes.out_height * sizes.out_width;
    auto const columns = round_up_to_packet<T>(sizes.outputs);
    auto const part_size = kernel * sizes.channels * columns;
    auto const parts = sizes.parts();
    scratch<T> const sums(parts * part_size);
    std::fill_n(sums.data(), parts * part_size, T{0});

    for_image_parts(sizes.images, parts, [&](index_t part, index_t begin, index_t end) {
      bordered_image<T> const border(sizes.height, sizes.width, sizes.channels, sizes.padding, sizes.padding);
      scratch<T> const widened(columns == sizes.outputs ? 0 : pixels * columns);
      std::fill_n(widened.data(), columns == sizes.outputs ? 0 : pixels * columns, T{0});
      for (auto n = begin; n < end; ++n) {
        auto const* upstream = dy.data + n * sizes.result_size();
        if (columns != sizes.outputs) {
          for (index_t pixel = 0; pixel < pixels; ++pixel)
            std::copy_n(upstream + pixel * sizes.outputs, sizes.outputs, widened.data() + pixel * columns);
          upstream = widened.data();
        }
        gathered_outer<T>({.source = border(x.data + n * sizes.image_size()),
                           .upstream = upstream,
                           .places = places,
                           .taps = taps,
                           .depth = sizes.channels,
                           .columns = columns,
                           .sums = sums.data() + part * part_size});
      }
    });

    for (index_t part = 1; part < parts; ++part)
      array_map<T>(sums.data(), part_size) += const_array_map<T>(sums.data() + part * part_size, part_size);
    for (index_t row = 0; row < sizes.kernel_height; ++row)
      for (index_t column = 0; column < sizes.kernel_width; ++column)
        for (index_t c = 0; c < sizes.channels; ++c)
          for (index_t o = 0; o < sizes.outputs; ++o)
            add(row, column, c, o,
                sums[((row * sizes.kernel_width + column) * sizes.channels + c) * columns + o]);
  }
};

}  // namespace sysdpo
