// Group normalisation (Wu and He, 2018) of images in NHWC, with the activation that follows it folded in.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct group_norm_op;

/// What follows a normalisation.
enum class activation { none, silu };

/// Groups, and what is folded in.
struct group_norm_options {
  index_t groups = 32;
  double epsilon = 1e-5;
  activation then = activation::none;  ///< applied to the normalised result
};

/// x [N, ..., C], gamma [C], beta [C] → activation((x − mean) / sqrt(variance + ε) · γ + β), extents of x.
/// Mean and (biased) variance are those of an image's group, all places of C / groups neighbouring channels.
/// \throws error if the shapes do not fit or the channels don't divide into groups.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> group_norm(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                              variable<Backend, T> const& gamma,
                                              variable<Backend, T> const& beta,
                                              group_norm_options const& options) {
  if (x.extents().rank() < 2 || gamma.extents() != shape{x.extents()[-1]} ||
      beta.extents() != gamma.extents())
    fail({"group_norm",
          "x " + to_string(x.extents()) + ", gamma " + to_string(gamma.extents()) + ", beta " +
              to_string(beta.extents()),
          "the channels differ", "Give images [N, ..., C] and one gamma and beta a channel"});
  if (options.groups < 1 || x.extents()[-1] % options.groups != 0)
    fail({"group_norm", "x " + to_string(x.extents()),
          "the channels do not divide into " + std::to_string(options.groups) + " groups",
          "Choose a number of groups that divides every channel count"});

  tensor<Backend, T> y(x.extents());
  tensor<Backend, widened<T>> mean({x.extent(0), options.groups});
  tensor<Backend, widened<T>> scale({x.extent(0), options.groups});
  implement<group_norm_op, Backend>::forward(x.view(), gamma.view(), beta.view(), y.view(), mean.view(),
                                             scale.view(), options.epsilon, options.then == activation::silu);
  return tape.record(std::move(y), {x, gamma, beta},
                     [x = x.value(), gamma = gamma.value(), beta = beta.value(), mean, scale,
                      silu = options.then == activation::silu, dx = gradient_of(x),
                      dgamma = gradient_of(gamma), dbeta = gradient_of(beta)](array_view<T const> dy) {
                       auto const gains = dgamma.sink();  // in this order: gamma and beta may be one variable
                       auto const shifts = dbeta.sink();
                       implement<group_norm_op, Backend>::backward(
                           x.const_view(), gamma.const_view(), beta.const_view(), mean.const_view(),
                           scale.const_view(), dy, dx.sink(), gains, shifts, silu);
                     });
}

}  // namespace sysdpo
