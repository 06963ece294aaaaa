// Weights: a named value and the gradient that adds up for it between two optimiser steps.
#pragma once

#include <string>
#include <utility>

#include "sysdpo/tensor/precision.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

/// A gradient and whether anything was put there yet. Memory is taken at the first contribution, so that
/// frozen parameters never own a gradient.
template <class Backend, class T>
struct gradient_slot {
  tensor<Backend, T> value{};
  bool filled = false;

  /// Makes room for a contribution. True: add to the content. False: the content is garbage, overwrite it.
  bool open(shape const& extents) {
    if (!value) value = tensor<Backend, T>(extents);
    return std::exchange(filled, true);
  }
  void clear() noexcept { filled = false; }
};

/// One weight array of a model. `name` follows the Hugging Face convention of the model's family.
template <class Backend, class Precision>
struct parameter {
  using stored = typename Precision::parameter;
  using compute = typename Precision::compute;

  std::string name;
  tensor<Backend, stored> value;
  gradient_slot<Backend, compute> gradient{};
  bool trainable = true;
};

}  // namespace sysdpo
