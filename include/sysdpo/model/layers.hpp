// The small building blocks that models are written in: an op together with its weights, which a
// parameter_set owns. A block with no weights (default-constructed) is one that a model lacks.
#pragma once

#include "sysdpo/model/parameters.hpp"
#include "sysdpo/op/conv2d.hpp"
#include "sysdpo/op/group_norm.hpp"
#include "sysdpo/op/layer_norm.hpp"
#include "sysdpo/op/linear.hpp"

namespace sysdpo {

/// Whether an op has a bias.
enum class with_bias { no, yes };

/// "name.weight" and "name.bias" of one op.
template <class Backend, class Precision>
struct weight_and_bias {
  using T = typename Precision::compute;
  using set = parameter_set<Backend, Precision>;

  parameter<Backend, Precision>* weight = nullptr;
  parameter<Backend, Precision>* bias = nullptr;

  weight_and_bias() = default;
  /// Adds the weight, and the bias where there is one, to `weights`.
  weight_and_bias(set& weights, std::string const& name, shape const& extents, initial_value const& start,
                  with_bias biased)
      : weight(&weights.add(name + ".weight", extents, start)),
        bias(biased == with_bias::yes ? &weights.add(name + ".bias", {extents[0]}, zeros) : nullptr) {}

  [[nodiscard]] explicit operator bool() const { return weight != nullptr; }
  /// The bias on `tape`, empty where there is none.
  [[nodiscard]] variable<Backend, T> watch_bias(tape<Backend, T>& tape) const {
    return bias == nullptr ? variable<Backend, T>{} : tape.watch(*bias);
  }
};

/// x [..., I] → [..., O], weight [O, I].
template <class Backend, class Precision>
struct linear_layer : weight_and_bias<Backend, Precision> {
  using base = weight_and_bias<Backend, Precision>;
  using typename base::T;

  linear_layer() = default;
  /// Adds its weights to `weights`.
  linear_layer(typename base::set& weights, std::string const& name, index_t inputs, index_t outputs,
               with_bias biased = with_bias::yes, double gain = 1)
      : base(weights, name, {outputs, inputs}, scaled_normal(inputs, gain), biased) {}

  /// The op with these weights.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x) const {
    return linear(tape, x, tape.watch(*this->weight), this->watch_bias(tape));
  }
};

/// x [N, H, W, C] → [N, H', W', O], weight [O, C, size, size]; padded so that a stride of 1 keeps the
/// extents.
template <class Backend, class Precision>
struct conv_layer : weight_and_bias<Backend, Precision> {
  using base = weight_and_bias<Backend, Precision>;
  using typename base::T;

  conv2d_options options{};

  conv_layer() = default;
  /// Adds its weights to `weights`.
  conv_layer(typename base::set& weights, std::string const& name, index_t inputs, index_t outputs,
             index_t size, double gain = 1, index_t stride = 1)
      : base(weights, name, {outputs, inputs, size, size}, scaled_normal(inputs * size * size, gain),
             with_bias::yes),
        options{.stride = stride, .padding = size / 2} {}

  /// The op with these weights.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x) const {
    return conv2d(tape, x, tape.watch(*this->weight), this->watch_bias(tape), options);
  }
};

/// Normalisation of the last axis of x [..., C].
template <class Backend, class Precision>
struct layer_norm_layer : weight_and_bias<Backend, Precision> {
  using base = weight_and_bias<Backend, Precision>;
  using typename base::T;

  double epsilon = 1e-5;

  layer_norm_layer() = default;
  /// Adds its weights to `weights`.
  layer_norm_layer(typename base::set& weights, std::string const& name, index_t width, double eps = 1e-5)
      : base(weights, name, {width}, ones, with_bias::yes), epsilon(eps) {}

  /// The op with these weights.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x) const {
    return layer_norm(tape, x, tape.watch(*this->weight), this->watch_bias(tape), epsilon);
  }
};

/// Normalisation of channel groups of x [N, ..., C].
template <class Backend, class Precision>
struct group_norm_layer : weight_and_bias<Backend, Precision> {
  using base = weight_and_bias<Backend, Precision>;
  using typename base::T;

  group_norm_options options{};

  group_norm_layer() = default;
  /// Adds its weights to `weights`.
  group_norm_layer(typename base::set& weights, std::string const& name, index_t channels,
                   group_norm_options const& chosen)
      : base(weights, name, {channels}, ones, with_bias::yes), options(chosen) {}

  /// The op with these weights.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x) const {
    return group_norm(tape, x, tape.watch(*this->weight), this->watch_bias(tape), options);
  }
};

}  // namespace sysdpo
