// The weights of one model instance: named, in order of creation, at addresses that never change.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sysdpo/backend/cpu/parallel.hpp"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/tensor/parameter.hpp"

namespace sysdpo {

/// How a weight starts: `mean` + `deviation`·normal.
struct initial_value {
  double mean = 0;
  double deviation = 0;
};
/// Starts at 0.
inline constexpr initial_value zeros{0, 0};
/// Starts at 1.
inline constexpr initial_value ones{1, 0};
/// Starts normal around 0.
[[nodiscard]] constexpr initial_value normal(double deviation) { return {0, deviation}; }
/// The deviation that keeps the variance of a linear map of `inputs` terms at 1.
[[nodiscard]] inline initial_value scaled_normal(index_t inputs, double gain = 1) {
  return {0, gain / std::sqrt(static_cast<double>(inputs))};
}

/// The weights of one instance.
template <class Backend, class Precision>
class parameter_set {
 public:
  using parameter_type = parameter<Backend, Precision>;
  using stored = typename Precision::parameter;

  explicit parameter_set(std::uint64_t seed = 0) : seed_(seed) {}
  parameter_set(parameter_set const&) = delete;
  parameter_set& operator=(parameter_set const&) = delete;

  /// A new weight. Its start depends on (seed, number of weights before it, element) alone: the same on every
  /// backend. \throws error if the name is taken or the machine has no room for so many elements.
  parameter_type& add(std::string name, shape const& extents, initial_value const& start) {
    for (auto const& weight : weights_)
      if (weight.name == name)
        fail({"parameter_set", name, "the name is taken", "Give every weight its own name"});
    check_size(name, extents);
    if constexpr (!holds_values<Backend>) {
      weights_.push_back({std::move(name), tensor<Backend, stored>(extents)});
      return weights_.back();
    }
    std::vector<stored> values;
    try {
      values.resize(static_cast<std::size_t>(extents.size()));
    } catch (std::bad_alloc const&) {
      refuse_size(name, extents);
    }
    draw(values, start, philox_stream({.seed = seed_, .pair = weights_.size()}));
    weights_.push_back({std::move(name), tensor<Backend, stored>::from_host(extents, values)});
    return weights_.back();
  }

  [[nodiscard]] auto begin() { return weights_.begin(); }
  [[nodiscard]] auto end() { return weights_.end(); }
  [[nodiscard]] auto begin() const { return weights_.begin(); }
  [[nodiscard]] auto end() const { return weights_.end(); }
  [[nodiscard]] std::size_t size() const { return weights_.size(); }

  /// The number of elements of all weights.
  [[nodiscard]] index_t elements() const {
    index_t sum = 0;
    for (auto const& weight : weights_) sum += weight.value.size();
    return sum;
  }

  /// The weight called `name`, or null.
  [[nodiscard]] parameter_type* find(std::string_view name) {
    for (auto& weight : weights_)
      if (weight.name == name) return &weight;
    return nullptr;
  }

  /// Freezes or thaws every weight whose name starts with `prefix`.
  void set_trainable(bool trainable, std::string_view prefix = {}) {
    for (auto& weight : weights_)
      if (std::string_view(weight.name).starts_with(prefix)) weight.trainable = trainable;
  }

  /// Forgets all gradients; their memory is kept.
  void clear_gradients() {
    for (auto& weight : weights_) weight.gradient.clear();
  }

  /// Takes over the values of `other`, a set of the same names and shapes.
  void copy_values(parameter_set const& other) {
    if (other.size() != size())
      fail({"parameter_set", "copy_values", "the sets differ in length",
            "Copy between instances of one configuration"});
    auto from = other.begin();
    for (auto& weight : weights_) {
      if (from->name != weight.name || from->value.extents() != weight.value.extents())
        fail({"parameter_set", weight.name,
              "the other set has " + from->name + " " + to_string(from->value.extents()),
              "Copy between instances of one configuration"});
      Backend::copy(weight.value.data(), from->value.data(), weight.value.bytes());
      ++from;
    }
  }

 private:
  static constexpr index_t most_elements = index_t{1} << 40;

  /// The values that a weight starts with, on all threads: drawn on one, models of billions take minutes.
  static void draw(std::span<stored> values, initial_value const& start, philox_stream const& stream) {
    constexpr std::size_t piece = 4096;
    auto const pieces = static_cast<index_t>((values.size() + piece - 1) / piece);
    parallel_for(pieces, 16, [&](index_t begin, index_t end) {
      std::array<float, piece> normals{};
      for (auto at = begin; at < end; ++at) {
        auto const first = static_cast<std::size_t>(at) * piece;
        auto const part = values.subspan(first, std::min(piece, values.size() - first));
        if (start.deviation != 0) fill_normal(std::span(normals).first(part.size()), stream, first / 4);
        for (std::size_t i = 0; i < part.size(); ++i)
          part[i] = static_cast<stored>(
              static_cast<float>(start.mean + start.deviation * static_cast<double>(normals[i])));
      }
    });
  }

  [[noreturn]] static void refuse_size(std::string const& name, shape const& extents) {
    fail({"weights", name + " " + to_string(extents), "the machine has no room for so many elements",
          "Correct the configuration"});
  }

  /// Also where the product of the extents would not fit an index_t.
  static void check_size(std::string const& name, shape const& extents) {
    index_t count = 1;
    for (int axis = 0; axis < extents.rank(); ++axis) {
      if (extents[axis] > 0 && count > most_elements / extents[axis]) refuse_size(name, extents);
      count *= extents[axis];
    }
  }

  std::uint64_t seed_;
  std::deque<parameter_type> weights_;
};

}  // namespace sysdpo
