// What a training will take of the backend's memory, told before anything is allocated: the step itself is
// run on `planned`, the backend whose tensors are only counted, so that estimate and training cannot drift
// apart.
//
// Counted are tensors: weights, references, gradients, moments, averages, activations; for backends of
// kernels also the working memory of operations and what libraries of products keep. Not counted are that of
// the CPU's operations (a few tiles for each thread), what a GPU's library takes while it convolves
// (backend/device/planned.hpp), what a recording of steps keeps between them, the data, and what the process
// had before.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "sysdpo/backend/planned.hpp"
#include "sysdpo/train/trainer.hpp"

namespace sysdpo {

/// All figures in bytes.
struct memory_estimate {
  /// One model.
  struct model {
    std::string name;
    std::size_t weights = 0;    ///< the policy's; the reference has as many again
    std::size_t gradients = 0;  ///< of what is trained
    std::size_t optimizer = 0;  ///< AdamW's two moments, and the moving average where one is kept
  };
  /// Nodes that are scored as one batch: they share a policy and the types of their parents.
  struct node_group {
    std::vector<std::string> nodes;
    std::size_t activations = 0;  ///< most that scoring and differentiating them holds beside the weights
  };

  std::vector<model> models;
  std::vector<node_group> nodes;
  std::size_t libraries = 0;  ///< what the backend's libraries keep
  std::size_t peak = 0;  ///< of a whole training step, `libraries` among it; below the sum where parts are
                         ///< not held at once

  /// A table for people, in MiB.
  [[nodiscard]] std::string text() const {
    auto const mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    auto table = fmt::format("{:<32} {:>10} {:>10} {:>10} {:>10}\n", "model (MiB)", "weights", "reference",
                             "gradients", "optimizer");
    for (auto const& m : models)
      table += fmt::format("{:<32} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f}\n", m.name, mib(m.weights),
                           mib(m.weights), mib(m.gradients), mib(m.optimizer));
    table += fmt::format("{:<32} {:>10}\n", "nodes (MiB)", "activations");
    for (auto const& group : nodes) {
      std::string names;
      for (auto const& name : group.nodes) names += (names.empty() ? "" : ", ") + name;
      table += fmt::format("{:<32} {:>10.1f}\n", names, mib(group.activations));
    }
    if (libraries != 0) table += fmt::format("{:<32} {:>10.1f}\n", "libraries", mib(libraries));
    return table + fmt::format("{:<32} {:>10.1f}\n", "peak of a step", mib(peak));
  }
};

/// The memory of training `configs` on `batch` (all of it one batch: give the largest) under `options`, its
/// accumulation, two-pass mode, checkpointed activations and moving averages included. `prepare(models)`
/// freezes what will be frozen. A model frozen as a whole is taken to equal its reference. Name the backend,
/// `estimate<Precision, cuda>(…)`, where its operations take memory of their own. \throws error on the
/// options and data that a trainer would refuse.
template <class Precision = precision<float>, class Backend = planned, class System, preference_link Link,
          class Prepare>
[[nodiscard]] memory_estimate estimate(model_configs<System> const& configs,
                                       policy_options<System> const& policies,
                                       std::vector<preference<System>> const& batch,
                                       trainer_options<System, Link> options, Prepare&& prepare) {
  using counted = planned_of<Backend>;
  using models_type = models<System, counted, Precision>;
  auto& memory = counted::memory();
  memory_estimate result;

  auto const before = memory.bytes_in_use();
  models_type policy(configs);
  prepare(policy);
  models_type reference(policy);
  detail::switch_on_checkpoints(policy, options.checkpoint_activations);

  for (std::size_t group = 0; group < System::group_count; ++group) {
    auto loss_options = options.loss;
    memory_estimate::node_group part;
    for_each_node<System>([&](auto node) {
      if (System::group_of[node] != group)
        loss_options.scales.values[node] = 0;
      else
        part.nodes.emplace_back(name_of<typename decltype(node)::node::name>());
    });
    preference_loss<System, counted, Precision, Link> loss(policy, reference, policies, loss_options);
    std::vector<pair_visit<System>> visits;
    for (auto const& pair : batch) visits.push_back({&pair, 0});
    loss.accumulate(visits);  // the first call takes the gradients too
    auto const held = memory.bytes_in_use();
    memory.reset_peak();
    loss.accumulate(visits);
    part.activations = memory.peak_bytes() - held;
    result.nodes.push_back(std::move(part));
  }
  policy.for_each([](auto, auto& model) {
    for (auto& weight : model.parameters()) weight.gradient = {};
  });

  options.pairs_per_batch = std::ssize(batch);
  options.steps = 2;
  options.checkpoints.clear();
  // Two steps on one batch come to a second visit, which the training may not.
  if (options.loss.cached != nullptr && options.noise_visits == 0) options.noise_visits = 1;
  memory.reset_peak();
  trainer<System, counted, Precision, Link> training(policy, reference, policies, batch, options);
  training.take_step();
  training.take_step();
  result.libraries = library_bytes<counted>;
  result.peak = memory.peak_bytes() - before + result.libraries;

  policy.for_each([&](auto index, auto& model) {
    memory_estimate::model part{.name = std::string(model_name<typename decltype(index)::model>())};
    auto const averaged = options.moving_averages.values[index] > 0;
    for (auto const& weight : model.parameters()) {
      part.weights += weight.value.bytes();
      part.gradients += weight.gradient.value.bytes();
      part.optimizer += averaged ? weight.value.bytes() : 0;
      if (weight.trainable && weight.gradient.filled)
        part.optimizer +=
            2 * static_cast<std::size_t>(weight.value.size()) * sizeof(typename Precision::accumulate);
    }
    result.models.push_back(std::move(part));
  });
  return result;
}
/// The same with nothing frozen.
template <class Precision = precision<float>, class Backend = planned, class System, preference_link Link>
[[nodiscard]] memory_estimate estimate(model_configs<System> const& configs,
                                       policy_options<System> const& policies,
                                       std::vector<preference<System>> const& batch,
                                       trainer_options<System, Link> const& options) {
  return estimate<Precision, Backend>(configs, policies, batch, options, [](auto&) {});
}

}  // namespace sysdpo
