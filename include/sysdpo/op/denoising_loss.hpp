// The squared error of a denoiser, row by row, and its difference to a reference's. Sums are kept in double.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct denoising_loss_op;

/// How an image's squared errors become one number.
enum class reduction { sum, mean };

namespace detail {
template <class Backend, class T>
void check_denoising_shapes(shape const& prediction, shape const& target, shape const& weights) {
  if (prediction.rank() < 1 || prediction != target || weights != shape{prediction[0]})
    fail({"denoising loss",
          "prediction " + to_string(prediction) + ", target " + to_string(target) + ", weights " +
              to_string(weights),
          "the shapes do not fit", "Give a target like the prediction and one weight a row"});
}
}  // namespace detail

/// prediction and target [R, …], weights [R] → weight · reduce (target − prediction)², [R]. Differentiable in
/// the prediction.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> denoising_loss(tape<Backend, T>& tape,
                                                  variable<Backend, T> const& prediction,
                                                  tensor<Backend, T> const& target,
                                                  tensor<Backend, T> const& weights, reduction reduce) {
  detail::check_denoising_shapes<Backend, T>(prediction.extents(), target.extents(), weights.extents());
  auto const factor = reduce == reduction::mean
                          ? static_cast<double>(prediction.extent(0)) / static_cast<double>(target.size())
                          : 1.0;
  tensor<Backend, T> losses({prediction.extent(0)});
  implement<denoising_loss_op, Backend>::forward(prediction.view(), target.const_view(), weights.const_view(),
                                                 factor, losses.view());
  return tape.record(std::move(losses), {prediction},
                     [p = prediction.value(), target, weights, factor,
                      dp = gradient_of(prediction)](array_view<T const> upstream) {
                       implement<denoising_loss_op, Backend>::backward(p.const_view(), target.const_view(),
                                                                       weights.const_view(), -factor,
                                                                       upstream, dp.sink());
                     });
}

/// prediction, reference and target [R, …], weights [R] → weight · reduce (p − p_ref)(2·target − p − p_ref),
/// [R]: the reference's loss minus the policy's, formed element by element because the difference of two sums
/// loses most of its digits (method, §4). Differentiable in the prediction alone.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> denoising_log_ratio(tape<Backend, T>& tape,
                                                       variable<Backend, T> const& prediction,
                                                       tensor<Backend, T> const& reference,
                                                       tensor<Backend, T> const& target,
                                                       tensor<Backend, T> const& weights, reduction reduce) {
  detail::check_denoising_shapes<Backend, T>(prediction.extents(), target.extents(), weights.extents());
  detail::check_denoising_shapes<Backend, T>(reference.extents(), target.extents(), weights.extents());
  auto const factor = reduce == reduction::mean
                          ? static_cast<double>(prediction.extent(0)) / static_cast<double>(target.size())
                          : 1.0;
  tensor<Backend, T> ratios({prediction.extent(0)});
  implement<denoising_loss_op, Backend>::log_ratio(prediction.view(), reference.const_view(),
                                                   target.const_view(), weights.const_view(), factor,
                                                   ratios.view());
  return tape.record(std::move(ratios), {prediction},
                     [p = prediction.value(), target, weights, factor,
                      dp = gradient_of(prediction)](array_view<T const> upstream) {
                       implement<denoising_loss_op, Backend>::backward(p.const_view(), target.const_view(),
                                                                       weights.const_view(), factor, upstream,
                                                                       dp.sink());
                     });
}

}  // namespace sysdpo
