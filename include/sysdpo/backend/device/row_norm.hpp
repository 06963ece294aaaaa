// RMS and layer normalisation by kernels.
#pragma once

#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/row_norm.hpp"

namespace sysdpo {

struct rms_norm_op;
struct layer_norm_op;

namespace device_detail {

/// Both norms: RMS norm has no means and no beta.
template <kernel_backend Backend, kernel::norm Kind>
struct row_norm {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, T const* beta, double epsilon,
                      array_view<T> y, float* means, float* scales) {
    if (y.size() == 0) return;
    with_row_threads<128>(gamma.size(), [&](auto threads) {
      Backend::template launch<kernel::row_norm<Kind, T, threads.value>>(
          {.x = x.data,
           .gamma = gamma.data,
           .beta = beta,
           .rows = y.size() / gamma.size(),
           .width = narrow("norm", gamma.size()),
           .epsilon = static_cast<float>(epsilon),
           .y = y.data,
           .means = means,
           .scales = scales});
    });
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, float const* means,
                       float const* scales, array_view<T const> dy, gradient_view<T> dx,
                       gradient_view<T> dgamma, gradient_view<T> dbeta) {
    auto const width = narrow("norm", gamma.size());
    auto const rows = dy.size() / (width == 0 ? 1 : width);
    if (dx && rows > 0)
      with_row_threads<128>(width, [&](auto threads) {
        Backend::template launch<kernel::row_norm_backward<Kind, T, threads.value>>(
            {.x = x.data,
             .gamma = gamma.data,
             .means = means,
             .scales = scales,
             .dy = dy.data,
             .rows = rows,
             .width = width,
             .dx = dx.data,
             .accumulate = dx.accumulate});
      });
    if (!dgamma && !dbeta) return;
    auto const parts = parts_of<Backend>(1 + width / 1024, rows / 32);
    scratch_of<Backend, float> const sums(index_t{parts} * 2 * width);
    Backend::template launch<kernel::row_norm_gain_backward<Kind, T>>({.x = x.data,
                                                                       .means = means,
                                                                       .scales = scales,
                                                                       .dy = dy.data,
                                                                       .rows = rows,
                                                                       .width = width,
                                                                       .parts = parts,
                                                                       .sums = sums.data()});
    add_parts<Backend>(1, parts, width, sums.data(), dgamma);
    add_parts<Backend>(1, parts, width, sums.data() + index_t{parts} * width, dbeta);
  }
};

}  // namespace device_detail

template <kernel_backend Backend>
struct implement<rms_norm_op, Backend> {
  using norm = device_detail::row_norm<Backend, kernel::norm::rms>;

  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, double epsilon, array_view<T> y,
                      array_view<float> inverse) {
    norm::forward(x, gamma, static_cast<T const*>(nullptr), epsilon, y, nullptr, inverse.data);
  }
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<float const> inverse,
                       array_view<T const> dy, gradient_view<T> dx, gradient_view<T> dgamma) {
    norm::backward(x, gamma, nullptr, inverse.data, dy, dx, dgamma, gradient_view<T>{});
  }
};

/// statistics [R, 2] hold all means and then all scales.
template <kernel_backend Backend>
struct implement<layer_norm_op, Backend> {
  using norm = device_detail::row_norm<Backend, kernel::norm::layer>;

  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                      double epsilon, array_view<T> y, array_view<float> statistics) {
    norm::forward(x, gamma, beta.data, epsilon, y, statistics.data, statistics.data + statistics.extents[0]);
  }
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<float const> statistics,
                       array_view<T const> dy, gradient_view<T> dx, gradient_view<T> dgamma,
                       gradient_view<T> dbeta) {
    norm::backward(x, gamma, statistics.data, statistics.data + statistics.extents[0], dy, dx, dgamma, dbeta);
  }
};

}  // namespace sysdpo
