// Convolution with kernels of 3×3 and stride 1 by minimal filtering along the rows, F(4, 3): four
// neighbouring outputs of a row and three elements of the kernel need six products instead of twelve
// (Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for
// convolutional neural networks", 2016).
//
//   y = Aᵀ·[(G·g) ∘ (Bᵀ·d)]     d: 6 neighbouring pixels, g: a row of the kernel, y: 4 neighbouring outputs
//
// The products run over channels and over the kernel's three rows, so that for each of the six components
// this is a gathered product with three taps. Columns are not transformed: that keeps the components few
// enough for the cache. Points 0, ±1, ±2, ∞; rounding errors are a few times those of the plain sum.
#pragma once

#include <array>
#include <vector>

#include "sysdpo/backend/cpu/channel_blocks.hpp"
#include "sysdpo/backend/cpu/conv2d_geometry.hpp"
#include "sysdpo/backend/cpu/gathered_product.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"
#include "sysdpo/core/config.hpp"

namespace sysdpo::cpu_detail {

template <class T>
class winograd {
 public:
  /// Whether a convolution can be done this way, and has channels enough to gain by it.
  [[nodiscard]] static bool fits(conv2d_geometry const& sizes) {
    return sizes.kernel_height == 3 && sizes.kernel_width == 3 && sizes.stride == 1 && sizes.padding >= 0 &&
           sizes.out_width % tile == 0 && sizes.channels >= packet_width<T> &&
           sizes.outputs >= packet_width<T>;
  }

  /// y = x ∗ w + bias, or +=; weight(kernel row, kernel column, channel, output) tells w. Bias may be null.
  template <class Weight>
  static void convolve(conv2d_geometry const& sizes, T const* x, Weight const& weight, T const* bias, T* y,
                       bool accumulate) {
    winograd const self(sizes);
    auto const size = packed_size<T>(rows, sizes.channels, sizes.outputs);
    scratch<T> const packed(components * size);
    std::fill_n(packed.data(), components * size, T{0});
    for_each_packed_weight<T>(
        rows, sizes.channels, sizes.outputs, [&](index_t place, index_t row, index_t c, index_t o) {
          std::array<T, 3> const w{weight(row, 0, c, o), weight(row, 1, c, o), weight(row, 2, c, o)};
          auto* to = packed.data() + place;
          SYSDPO_UNROLL_ON_CPU(6)
          for (auto const& g : kernel_transform) {
            *to = static_cast<T>(g[0]) * w[0] + static_cast<T>(g[1]) * w[1] + static_cast<T>(g[2]) * w[2];
            to += size;
          }
        });
    std::vector<index_t> results;
    for (index_t i = 0; i < self.tiles_; ++i) results.push_back(i * sizes.outputs);

    for_image_parts(sizes.images, sizes.parts(), [&](index_t, index_t begin, index_t end) {
      scratch<T> const inputs(components * self.input_size_);
      std::fill_n(inputs.data(), components * self.input_size_, T{0});
      scratch<T> const products(components * self.tiles_ * sizes.outputs);
      for (auto n = begin; n < end; ++n) {
        self.transform_input(x + n * sizes.image_size(), inputs.data());
        for (index_t f = 0; f < components; ++f)
          gathered_product<T>({.source = inputs.data() + f * self.input_size_,
                               .destination = products.data() + f * self.tiles_ * sizes.outputs,
                               .places = self.places_,
                               .results = results,
                               .taps = self.taps_,
                               .depth = sizes.channels,
                               .outputs = sizes.outputs,
                               .packed = packed.data() + f * size,
                               .accumulate = false});
        self.transform_output(products.data(), bias, y + n * sizes.result_size(), accumulate);
      }
    });
  }

  /// Calls add(kernel row, kernel column, channel, output, sum) with every weight's gradient, given that of
  /// the result.
  template <class Add>
  static void weight_gradient(conv2d_geometry const& sizes, T const* x, T const* dy, Add const& add) {
    winograd const self(sizes);
    auto const columns = round_up_to_packet<T>(sizes.outputs);
    auto const component_size = rows * sizes.channels * columns;
    auto const parts = sizes.parts();
    scratch<T> const sums(parts * components * component_size);
    std::fill_n(sums.data(), parts * components * component_size, T{0});
    for_image_parts(sizes.images, parts, [&](index_t part, index_t begin, index_t end) {
      scratch<T> const inputs(components * self.input_size_);
      std::fill_n(inputs.data(), components * self.input_size_, T{0});
      scratch<T> const upstream(components * self.tiles_ * columns);
      if (columns != sizes.outputs) std::fill_n(upstream.data(), components * self.tiles_ * columns, T{0});
      for (auto n = begin; n < end; ++n) {
        self.transform_input(x + n * sizes.image_size(), inputs.data());
        self.transform_upstream(dy + n * sizes.result_size(), columns, upstream.data());
        for (index_t f = 0; f < components; ++f)
          gathered_outer<T>({.source = inputs.data() + f * self.input_size_,
                             .upstream = upstream.data() + f * self.tiles_ * columns,
                             .places = self.places_,
                             .taps = self.taps_,
                             .depth = sizes.channels,
                             .columns = columns,
                             .sums = sums.data() + (part * components + f) * component_size});
      }
    });
    for (index_t part = 1; part < parts; ++part)
      array_map<T>(sums.data(), components * component_size) +=
          const_array_map<T>(sums.data() + part * components * component_size, components * component_size);
    for (index_t row = 0; row < rows; ++row)
      for (index_t c = 0; c < sizes.channels; ++c)
        for (index_t o = 0; o < sizes.outputs; ++o)
          for (std::size_t column = 0; column < 3; ++column) {
            T sum{0};
            for (index_t f = 0; f < components; ++f)
              sum += static_cast<T>(kernel_transform[static_cast<std::size_t>(f)][column]) *
                     sums[f * component_size + (row * sizes.channels + c) * columns + o];
            add(row, static_cast<index_t>(column), c, o, sum);
          }
  }

 private:
  static constexpr index_t components = 6;
  static constexpr index_t tile = 4;  // outputs
  static constexpr index_t rows = 3;  // of the kernel
  /// G
  static constexpr std::array<std::array<double, 3>, components> kernel_transform{
      {{1.0 / 4, 0, 0},
       {-1.0 / 6, -1.0 / 6, -1.0 / 6},
       {-1.0 / 6, 1.0 / 6, -1.0 / 6},
       {1.0 / 24, 1.0 / 12, 1.0 / 6},
       {1.0 / 24, -1.0 / 12, 1.0 / 6},
       {0, 0, 1}}};

  explicit winograd(conv2d_geometry const& sizes)
      : sizes_(sizes),
        row_tiles_(sizes.out_width / tile),
        tiles_(sizes.out_height * row_tiles_),
        input_size_((sizes.out_height + rows - 1) * row_tiles_ * sizes.channels) {
    for (index_t i = 0; i < tiles_; ++i) places_.push_back(i * sizes.channels);
    for (index_t row = 0; row < rows; ++row) taps_.push_back(row * row_tiles_ * sizes.channels);
  }

  /// Bᵀ·d for every tile of every row, a component after the other. Rows of the border, which are zero in
  /// `to` from the start, stay as they are.
  void transform_input(T const* image, T* to) const {
    auto const channels = sizes_.channels;
    auto const row_size = row_tiles_ * channels;
    for_each_channel_block<T>(channels, [&]<class Block>(index_t first) {
      Block const two(T{2}), four(T{4}), minus_four(T{-4}), minus_five(T{-5});
      auto* out = to + sizes_.padding * row_size + first;
      auto const put = [&](auto const& pixel) {
        auto const d0 = pixel(0), d1 = pixel(1), d2 = pixel(2), d3 = pixel(3), d4 = pixel(4), d5 = pixel(5);
        auto const even = fma(minus_four, d2, d4);
        auto const odd = fma(minus_four, d1, d3);
        auto const even_far = d4 - d2;
        auto const odd_far = two * (d3 - d1);
        fma(four, d0, fma(minus_five, d2, d4)).store(out);
        (even + odd).store(out + input_size_);
        (even - odd).store(out + 2 * input_size_);
        (even_far + odd_far).store(out + 3 * input_size_);
        (even_far - odd_far).store(out + 4 * input_size_);
        fma(four, d1, fma(minus_five, d3, d5)).store(out + 5 * input_size_);
        out += channels;
      };
      for (index_t row = 0; row < sizes_.height; ++row)
        for (index_t left = -sizes_.padding; left < sizes_.out_width - sizes_.padding; left += tile) {
          auto const* const pixels = image + (row * sizes_.width + left) * channels + first;
          auto const inside = [&](index_t i) { return Block(pixels + i * channels); };
          if (left >= 0 && left + components <= sizes_.width)
            put(inside);
          else
            put([&](index_t i) {
              return left + i >= 0 && left + i < sizes_.width ? inside(i) : Block(T{0});
            });
        }
    });
  }

  /// y = Aᵀ·products + bias, or +=. Tile i holds the pixels from 4·i on.
  void transform_output(T const* products, T const* bias, T* y, bool accumulate) const {
    auto const outputs = sizes_.outputs;
    auto const size = tiles_ * outputs;
    for_each_channel_block<T>(outputs, [&]<class Block>(index_t first) {
      Block const two(T{2}), four(T{4}), eight(T{8});
      auto const start = bias == nullptr ? Block(T{0}) : Block(bias + first);
      for (index_t i = 0; i < tiles_; ++i) {
        auto const* const from = products + i * outputs + first;
        Block const m1(from + size), m2(from + 2 * size), m3(from + 3 * size), m4(from + 4 * size);
        auto const sum = m1 + m2 + start;
        auto const difference = m1 - m2 + start;
        auto const far_sum = m3 + m4;
        auto const far_difference = m3 - m4;
        auto const put = [&](index_t pixel, Block const& value) {
          auto* const to = y + (tile * i + pixel) * outputs + first;
          (accumulate ? Block(to) + value : value).store(to);
        };
        put(0, sum + far_sum + Block(from));
        put(1, fma(two, far_difference, difference));
        put(2, fma(four, far_sum, sum));
        put(3, fma(eight, far_difference, difference + Block(from + 5 * size)));
      }
    });
  }

  /// A·dy, a component after the other, `columns` elements a tile.
  void transform_upstream(T const* dy, index_t columns, T* to) const {
    auto const outputs = sizes_.outputs;
    auto const size = tiles_ * columns;
    for_each_channel_block<T>(outputs, [&]<class Block>(index_t first) {
      Block const two(T{2}), four(T{4});
      for (index_t i = 0; i < tiles_; ++i) {
        auto const* const from = dy + tile * i * outputs + first;
        Block const y0(from), y1(from + outputs), y2(from + 2 * outputs), y3(from + 3 * outputs);
        auto* const out = to + i * columns + first;
        auto const even = y0 + y2;
        auto const odd = y1 + y3;
        auto const even_far = fma(four, y2, y0);
        auto const odd_far = two * fma(four, y3, y1);
        y0.store(out);
        (even + odd).store(out + size);
        (even - odd).store(out + 2 * size);
        (even_far + odd_far).store(out + 3 * size);
        (even_far - odd_far).store(out + 4 * size);
        y3.store(out + 5 * size);
      }
    });
  }

  conv2d_geometry sizes_;
  index_t row_tiles_;   ///< tiles of a row
  index_t tiles_;       ///< tiles of an image
  index_t input_size_;  ///< elements of one component of the input
  std::vector<index_t> places_, taps_;
};

}  // namespace sysdpo::cpu_detail
