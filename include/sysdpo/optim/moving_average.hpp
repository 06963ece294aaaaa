// An exponential moving average of a model's weights, often a better sampler than the last iterate.
#pragma once

#include <string>
#include <vector>

#include "sysdpo/model/parameters.hpp"

namespace sysdpo {

struct moving_average_op;

/// An average of one parameter set over its steps.
template <class Backend, class Precision>
class moving_average {
 public:
  using stored = typename Precision::parameter;

  /// Starts at the weights as they are. \throws error unless 0 ≤ decay < 1.
  moving_average(parameter_set<Backend, Precision> const& weights, double decay) : decay_(decay) {
    if (!(decay >= 0 && decay < 1))
      fail({"moving average", "decay = " + std::to_string(decay), "the decay lies in [0, 1)",
            "0.99 to 0.9999 are usual"});
    for (auto const& weight : weights) average_.push_back(weight.value.clone());
  }

  /// average ← decay·average + (1 − decay)·weight
  void update(parameter_set<Backend, Precision> const& weights) {
    auto average = average_.begin();
    for (auto const& weight : weights)
      implement<moving_average_op, Backend>::forward((average++)->view(), weight.value.const_view(), decay_);
  }

  [[nodiscard]] std::vector<tensor<Backend, stored>> const& values() const { return average_; }

  /// Puts the average into `weights`, a set of the same names and shapes.
  void copy_to(parameter_set<Backend, Precision>& weights) const {
    auto average = average_.begin();
    for (auto& weight : weights) {
      Backend::copy(weight.value.data(), average->data(), average->bytes());
      ++average;
    }
  }

 private:
  double decay_;
  std::vector<tensor<Backend, stored>> average_;
};

}  // namespace sysdpo
