// Convolution where a GPU would ask its library: plain loops. x [N, H, W, C], w [O, C, kh, kw], y, dy [N, H',
// W', O].
#pragma once

#include <vector>

#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/emulated/backend.hpp"
#include "sysdpo/kernel/number.hpp"

namespace sysdpo {

struct conv2d_op;

template <>
struct implement<conv2d_op, emulated> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias, array_view<T> y,
                      index_t stride, index_t padding) {
    emulated::issue<convolve<T>>(operands<T>{x, w, bias, y, stride, padding});
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dw, gradient_view<T> dbias, index_t stride,
                       index_t padding) {
    emulated::issue<convolve_back<T>>(back_operands<T>{x, w, dy, dx, dw, stride, padding});
    auto const outputs = w.extents[0];
    device_detail::column_sums<emulated>(1, dy.size() / (outputs < 1 ? 1 : outputs), outputs, dy.data, dbias);
  }

 private:
  template <class T>
  struct operands {
    array_view<T const> x, w, bias;
    array_view<T> y;
    index_t stride, padding;
  };
  template <class T>
  struct back_operands {
    array_view<T const> x, w, dy;
    gradient_view<T> dx, dw;
    index_t stride, padding;
  };

  template <class T>
  static void convolve(operands<T> const& given) {
    auto const kernels = numbers(given.w);
    auto const images = numbers(given.x);
    std::vector<float> sums(static_cast<std::size_t>(given.y.size()));
    for_each_tap(given.x.extents, given.w.extents, given.y.extents, given.stride, given.padding,
                 [&](index_t from, index_t to, index_t tap) {
                   for (index_t o = 0; o < given.w.extents[0]; ++o)
                     for (index_t c = 0; c < given.w.extents[1]; ++c)
                       sums[at(to + o)] +=
                           images[at(from + c)] * kernels[weight_at(given.w.extents, o, c, tap)];
                 });
    for (index_t i = 0; i < given.y.size(); ++i)
      given.y[i] = kernel::from_float<T>(
          sums[at(i)] + (given.bias ? kernel::to_float(given.bias[i % given.w.extents[0]]) : 0));
  }

  template <class T>
  static void convolve_back(back_operands<T> const& given) {
    auto const kernels = numbers(given.w);
    auto const images = numbers(given.x);
    auto const upstream = numbers(given.dy);
    std::vector<float> x_sums(images.size());
    std::vector<float> w_sums(kernels.size());
    for_each_tap(given.x.extents, given.w.extents, given.dy.extents, given.stride, given.padding,
                 [&](index_t from, index_t to, index_t tap) {
                   for (index_t o = 0; o < given.w.extents[0]; ++o)
                     for (index_t c = 0; c < given.w.extents[1]; ++c) {
                       auto const weight = weight_at(given.w.extents, o, c, tap);
                       x_sums[at(from + c)] += upstream[at(to + o)] * kernels[weight];
                       w_sums[weight] += upstream[at(to + o)] * images[at(from + c)];
                     }
                 });
    store(given.dx, x_sums);
    store(given.dw, w_sums);
  }

  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  static std::size_t weight_at(shape const& w, index_t o, index_t c, index_t tap) {
    return at((o * w[1] + c) * w[2] * w[3] + tap);
  }

  /// body(first channel of a pixel of x, first channel of a pixel of y, tap) for every pair that meets.
  template <class Body>
  static void for_each_tap(shape const& x, shape const& w, shape const& y, index_t stride, index_t padding,
                           Body&& body) {
    for (index_t n = 0; n < y[0]; ++n)
      for (index_t row = 0; row < y[1]; ++row)
        for (index_t column = 0; column < y[2]; ++column)
          for (index_t i = 0; i < w[2]; ++i)
            for (index_t j = 0; j < w[3]; ++j) {
              auto const h = row * stride + i - padding;
              auto const v = column * stride + j - padding;
              if (h < 0 || h >= x[1] || v < 0 || v >= x[2]) continue;
              body(((n * x[1] + h) * x[2] + v) * x[3], ((n * y[1] + row) * y[2] + column) * y[3],
                   i * w[3] + j);
            }
  }

  template <class T>
  static std::vector<float> numbers(array_view<T const> x) {
    std::vector<float> made(at(x.size()));
    for (index_t i = 0; i < x.size(); ++i) made[at(i)] = kernel::to_float(x[i]);
    return made;
  }

  template <class T>
  static void store(gradient_view<T> to, std::vector<float> const& sums) {
    if (!to) return;
    for (index_t i = 0; i < to.size(); ++i)
      to.data[i] = kernel::from_float<T>(sums[at(i)] + (to.accumulate ? kernel::to_float(to.data[i]) : 0));
  }
};

}  // namespace sysdpo
