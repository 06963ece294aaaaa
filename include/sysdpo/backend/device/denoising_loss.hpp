// The squared error of a denoising model by kernels, and its difference to a reference's: one sweep over both
// predictions, then one number a row.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/denoising_loss.hpp"

namespace sysdpo {

struct denoising_loss_op;

template <kernel_backend Backend>
struct implement<denoising_loss_op, Backend> {
  /// y = weight · Σ (target − p)², or the mean.
  template <class T>
  static void loss(array_view<T const> p, array_view<T const> target, array_view<float const> weight,
                   bool mean, array_view<float> y) {
    sweep<T>(p, {}, target, weight, mean, nullptr, y.data);
  }

  /// y = weight · Σ (p − reference)·(2·target − p − reference), or the mean.
  template <class T>
  static void log_ratio(array_view<T const> p, array_view<T const> reference, array_view<T const> target,
                        array_view<float const> weight, bool mean, array_view<float> y) {
    sweep<T>(p, reference, target, weight, mean, y.data, nullptr);
  }

  /// dp = sign · 2 · weight · dy · (target − p), divided by the size if y is a mean.
  template <class T>
  static void backward(array_view<T const> p, array_view<T const> target, array_view<float const> weight,
                       bool mean, int sign, array_view<float const> dy, gradient_view<T> dp) {
    if (!dp || weight.size() == 0) return;
    auto const size = row_size(p, weight);
    Backend::template launch<kernel::denoising_loss_backward<T>>({.p = p.data,
                                                                  .target = target.data,
                                                                  .streams = nullptr,
                                                                  .weight = weight.data,
                                                                  .dy = dy.data,
                                                                  .rows = weight.size(),
                                                                  .size = size,
                                                                  .parts = parts(weight.size(), size),
                                                                  .mean = mean,
                                                                  .sign = sign,
                                                                  .dp = dp.data,
                                                                  .accumulate = dp.accumulate});
  }

 private:
  template <class T>
  static int row_size(array_view<T const> p, array_view<float const> weight) {
    return device_detail::narrow("denoising_loss", p.size() / weight.size());
  }
  static int parts(index_t rows, int size) { return device_detail::parts_of<Backend>(rows, size / 1024); }

  template <class T>
  static void sweep(array_view<T const> p, array_view<T const> reference, array_view<T const> target,
                    array_view<float const> weight, bool mean, float* log_ratios, float* losses) {
    auto const rows = weight.size();
    if (rows == 0) return;
    auto const size = row_size(p, weight);
    auto const cut = parts(rows, size);
    scratch_of<Backend, double> const sums(2 * rows * cut);
    Backend::template launch<kernel::denoising_loss<T>>({.p = p.data,
                                                         .reference = reference.data,
                                                         .target = target.data,
                                                         .streams = nullptr,
                                                         .rows = rows,
                                                         .size = size,
                                                         .parts = cut,
                                                         .sums = sums.data()});
    Backend::template launch<kernel::denoising_loss_end>({.sums = sums.data(),
                                                          .weight = weight.data,
                                                          .rows = rows,
                                                          .size = size,
                                                          .parts = cut,
                                                          .mean = mean,
                                                          .log_ratios = log_ratios,
                                                          .losses = losses});
  }
};

}  // namespace sysdpo
