// An exponential moving average of a model's weights, often a better sampler than the last iterate.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "sysdpo/model/parameters.hpp"

namespace sysdpo {

struct moving_average_op;

/// An average of one parameter set over its steps, kept in float where weights have 16 bits.
template <class Backend, class Precision>
class moving_average {
 public:
  using stored = typename Precision::parameter;
  using kept = widened<stored>;

  /// Starts at the weights as they are. \throws error unless 0 ≤ decay < 1.
  moving_average(parameter_set<Backend, Precision> const& weights, double decay) : decay_(decay) {
    if (!(decay >= 0 && decay < 1))
      fail({"moving average", "decay = " + std::to_string(decay), "the decay lies in [0, 1)",
            "0.99 to 0.9999 are usual"});
    for (auto const& weight : weights) {
      average_.emplace_back(weight.value.extents());
      convert(weight.value.const_view(), average_.back().view());
    }
  }

  /// average ← decay·average + (1 − decay)·weight
  void update(parameter_set<Backend, Precision> const& weights) {
    auto average = average_.begin();
    for (auto const& weight : weights)
      implement<moving_average_op, Backend>::forward((average++)->view(), weight.value.const_view(), decay_);
  }

  [[nodiscard]] std::vector<tensor<Backend, kept>> const& values() const { return average_; }

  /// Puts the average into `weights`, a set of the same names and shapes.
  void copy_to(parameter_set<Backend, Precision>& weights) const {
    auto average = average_.begin();
    for (auto& weight : weights) convert((average++)->const_view(), weight.value.view());
  }

 private:
  template <class From, class To>
  static void convert(array_view<From const> from, array_view<To> to) {
    if constexpr (std::is_same_v<From, To>)
      Backend::copy(to.data, from.data, static_cast<std::size_t>(to.size()) * sizeof(To));
    else
      implement<cast_op, Backend>::forward(from, to);
  }

  double decay_;
  std::vector<tensor<Backend, kept>> average_;
};

}  // namespace sysdpo
