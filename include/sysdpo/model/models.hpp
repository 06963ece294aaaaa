// The instances behind a system: one for each model description, however many nodes use it. The policy and
// the reference of a training are two such values.
#pragma once

#include <concepts>
#include <memory>
#include <tuple>
#include <utility>

#include "sysdpo/graph/system.hpp"
#include "sysdpo/model/parameters.hpp"

namespace sysdpo {

namespace detail {

template <class Models>
struct model_tuples;

template <class... Models>
struct model_tuples<type_list<Models...>> {
  using configs = std::tuple<typename Models::config...>;
  template <class Backend, class Precision>
  using instances = std::tuple<std::unique_ptr<typename Models::template instance<Backend, Precision>>...>;
};

}  // namespace detail

/// An instance made of blocks, of which a recording tape can keep only what enters them
/// (tensor/checkpoint.hpp).
template <class Instance>
concept checkpoints_activations = requires(Instance& model, Instance const& constant) {
  model.checkpoint_activations(true);
  { constant.checkpoint_activations() } -> std::same_as<bool>;
};

/// The configurations of a system's models, in order of first appearance (`System::models`).
template <class System>
using model_configs = typename detail::model_tuples<typename System::models>::configs;

/// All model instances of a system.
template <class System, class Backend, class Precision = precision<float>>
class models {
 public:
  using system = System;
  using backend_type = Backend;
  using precision_type = Precision;
  using compute = typename Precision::compute;

  /// Builds every model; weights depend on (seed, position of the model) alone.
  explicit models(model_configs<System> const& configs, std::uint64_t seed = 0) : configs_(configs) {
    for_each_index([&](auto index) {
      using instance = typename std::tuple_element_t<index, decltype(instances_)>::element_type;
      std::get<index>(instances_) =
          std::make_unique<instance>(std::get<index>(configs), seed * System::model_count + index);
    });
  }

  /// Independent instances with the same weights, the same frozen parts and the same checkpoints of
  /// activations.
  models(models const& other) : models(other.configs_) {
    copy_values(other);
    take_over_switches(other);
  }
  models(models&&) noexcept = default;
  models& operator=(models const&) = delete;
  models& operator=(models&&) noexcept = default;
  ~models() = default;

  /// The instance of a description, `get<transformer<author_weights>>()`; for `no_model` an empty one.
  template <class Model>
  [[nodiscard]] auto& get() {
    if constexpr (std::is_same_v<Model, no_model>)
      return none_;
    else
      return *std::get<System::models::template index_of<Model>>(instances_);
  }
  /// The same, to be read alone.
  template <class Model>
  [[nodiscard]] auto const& get() const {
    return const_cast<models&>(*this).template get<Model>();
  }

  /// visit(model_index<I, Model>, instance) for every model; the first argument has a type `model` and
  /// converts to the index.
  template <class Visit>
  void for_each(Visit&& visit) {
    for_each_index([&](auto index) { visit(model_index<index>{}, *std::get<index>(instances_)); });
  }
  /// The same, to be read alone.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each_index(
        [&](auto index) { visit(model_index<index>{}, std::as_const(*std::get<index>(instances_))); });
  }

  /// Takes over all weights, and which of them are frozen.
  void copy_values(models const& other) {
    for_each_index([&](auto index) {
      auto& to = std::get<index>(instances_)->parameters();
      auto const& from = std::as_const(*std::get<index>(other.instances_)).parameters();
      to.copy_values(from);
      auto source = from.begin();
      for (auto& weight : to) weight.trainable = (source++)->trainable;
    });
  }

  /// Freezes weights and checkpoints activations as in `other`, on whatever backend that is.
  template <class Other>
  void take_over_switches(Other const& other) {
    for_each([&](auto index, auto& model) {
      auto const& like = other.template get<typename decltype(index)::model>();
      auto from = like.parameters().begin();
      for (auto& weight : model.parameters()) weight.trainable = (from++)->trainable;
      if constexpr (checkpoints_activations<std::remove_cvref_t<decltype(model)>>)
        model.checkpoint_activations(like.checkpoint_activations());
    });
  }

  /// Has the models keep only what enters their blocks while a tape records, or, `on` false, all there is.
  /// Values and gradients are the same bits, and no file tells: it is no property of the weights. Models
  /// without blocks stay as they are.
  void checkpoint_activations(bool on) {
    for_each([&](auto, auto& model) {
      if constexpr (checkpoints_activations<std::remove_cvref_t<decltype(model)>>)
        model.checkpoint_activations(on);
    });
  }

  [[nodiscard]] model_configs<System> const& configs() const { return configs_; }

  /// Which model `for_each` visits.
  template <std::size_t Index>
  struct model_index : std::integral_constant<std::size_t, Index> {
    using model = typename System::models::template at<Index>;
  };

 private:
  template <class Visit>
  static void for_each_index(Visit&& visit) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit(std::integral_constant<std::size_t, I>{}), ...);
    }(std::make_index_sequence<System::model_count>{});
  }

  no_model none_;
  model_configs<System> configs_;
  typename detail::model_tuples<typename System::models>::template instances<Backend, Precision> instances_;
};

}  // namespace sysdpo
