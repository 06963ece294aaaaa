// Nearest-neighbour upsampling by 2 on the CPU. x [N, H, W, C], y [N, 2H, 2W, C]; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct upsample_op;

template <>
struct implement<upsample_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    auto const width = x.extents[2];
    auto const channels = x.extents[3];
    for_each_row(x.extents, [&](index_t row) {
      auto* const upper = y.data + row * 4 * width * channels;
      for (index_t w = 0; w < width; ++w)
        for (index_t twice = 0; twice < 2; ++twice)
          std::copy_n(x.data + (row * width + w) * channels, channels, upper + (2 * w + twice) * channels);
      std::copy_n(upper, 2 * width * channels, upper + 2 * width * channels);
    });
  }

  /// dx = the sum of dy over the four copies; `extents` are those of x.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> dx, shape const& extents) {
    auto const width = extents[2];
    auto const channels = extents[3];
    for_each_row(extents, [&](index_t row) {
      for (index_t w = 0; w < width; ++w) {
        auto const copy = [&](index_t line, index_t column) {
          return cpu_detail::const_array_map<T>(
              dy.data + ((2 * row + line) * 2 * width + 2 * w + column) * channels, channels);
        };
        cpu_detail::store(cpu_detail::array_map<T>(dx.data + (row * width + w) * channels, channels),
                          dx.accumulate, (copy(0, 0) + copy(0, 1)) + (copy(1, 0) + copy(1, 1)));
      }
    });
  }

 private:
  template <class Body>
  static void for_each_row(shape const& extents, Body&& body) {
    auto const row_size = extents[2] * extents[3];
    parallel_for(extents[0] * extents[1], 1 + cpu_detail::elementwise_grain / (4 * row_size + 1),
                 [&](index_t begin, index_t end) {
                   for (auto row = begin; row < end; ++row) body(row);
                 });
  }
};

}  // namespace sysdpo
