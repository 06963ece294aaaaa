// The squared error of a denoising model, row by row, and its difference to a reference's. Sums are kept in
// double.
//
// The difference is formed element by element as (p − ref)·(2·target − p − ref) = (target − ref)² − (target −
// p)²; subtracting two finished sums would lose what policy and reference have in common, a hundred times the
// rounding error.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct denoising_loss_op;

/// How a row's elements become one number.
enum class reduction { sum, mean };

namespace detail {

inline void check_denoising(char const* name, shape const& prediction, shape const& target,
                            shape const& weight) {
  if (prediction.rank() < 1 || prediction != target || weight != shape{prediction[0]})
    fail({name,
          "prediction " + to_string(prediction) + ", target " + to_string(target) + ", weight " +
              to_string(weight),
          "the shapes differ", "Give a target of the prediction's shape and one weight a row"});
}

}  // namespace detail

/// prediction [R, ...], target of the same shape, weight [R] → weight · reduce (target − prediction)², [R].
/// The gradient goes to the prediction alone. \throws error if the shapes differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, widened<T>> denoising_loss(tape<Backend, T>& tape,
                                                           variable<Backend, T> const& prediction,
                                                           tensor<Backend, T> const& target,
                                                           tensor<Backend, widened<T>> const& weight,
                                                           reduction reduce) {
  detail::check_denoising("denoising_loss", prediction.extents(), target.extents(), weight.extents());
  auto const mean = reduce == reduction::mean;
  tensor<Backend, widened<T>> y({prediction.extent(0)});
  implement<denoising_loss_op, Backend>::loss(prediction.view(), target.const_view(), weight.const_view(),
                                              mean, y.view());
  return tape.record(std::move(y), {prediction},
                     [p = prediction.value(), target, weight, mean,
                      dp = gradient_of(prediction)](array_view<widened<T> const> dy) {
                       implement<denoising_loss_op, Backend>::backward(
                           p.const_view(), target.const_view(), weight.const_view(), mean, -1, dy, dp.sink());
                     });
}

/// weight · reduce [(p − ref)·(2·target − p − ref)], [R]: how much smaller the prediction's loss is than the
/// reference's, with weights and reduction as in `denoising_loss`. The gradient goes to the prediction alone.
/// \throws error if the shapes differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, widened<T>> denoising_log_ratio(
    tape<Backend, T>& tape, variable<Backend, T> const& prediction, tensor<Backend, T> const& reference,
    tensor<Backend, T> const& target, tensor<Backend, widened<T>> const& weight, reduction reduce) {
  detail::check_denoising("denoising_log_ratio", prediction.extents(), target.extents(), weight.extents());
  detail::check_denoising("denoising_log_ratio, reference", reference.extents(), target.extents(),
                          weight.extents());
  auto const mean = reduce == reduction::mean;
  tensor<Backend, widened<T>> y({prediction.extent(0)});
  implement<denoising_loss_op, Backend>::log_ratio(prediction.view(), reference.const_view(),
                                                   target.const_view(), weight.const_view(), mean, y.view());
  return tape.record(std::move(y), {prediction},
                     [p = prediction.value(), target, weight, mean,
                      dp = gradient_of(prediction)](array_view<widened<T> const> dy) {
                       implement<denoising_loss_op, Backend>::backward(
                           p.const_view(), target.const_view(), weight.const_view(), mean, 1, dy, dp.sink());
                     });
}

}  // namespace sysdpo
