// A small training that finishes in milliseconds, for what surrounds training.
#pragma once

#include "support/tabular_systems.hpp"
#include "sysdpo/train/trainer.hpp"

namespace test {

using tabular_trainer = sysdpo::trainer<skip_system, sysdpo::cpu, double_precision>;
using tabular_options = tabular_trainer::options_type;

/// Every pair of outcomes with different sums of the two categories; the higher sum is chosen.
inline std::vector<sysdpo::preference<skip_system>> ranked_pairs() {
  std::vector<sysdpo::preference<skip_system>> pairs;
  for (int a = 0; a < 9; ++a)
    for (int b = 0; b < 9; ++b)
      if (a / 3 + a % 3 > b / 3 + b % 3)
        pairs.push_back({.id = pairs.size(),
                         .chosen = outcome<skip_system>(a / 3, a % 3),
                         .rejected = outcome<skip_system>(b / 3, b % 3)});
  return pairs;
}

inline tabular_options some_training() {
  return {.loss = {.beta = 0.5},
          .steps = 24,
          .pairs_per_batch = 5,
          .batches_per_step = 2,
          .rates = sysdpo::model_numbers<skip_system>::all(0.05),
          .schedule = {.warmup_steps = 3, .shape = sysdpo::decay::cosine}};
}

/// All weights, one after the other.
template <class Models>
auto weights_of(Models const& models) {
  std::vector<typename Models::precision_type::parameter> all;
  models.for_each([&](auto, auto const& model) {
    for (auto const& weight : model.parameters()) {
      auto const host = weight.value.to_host();
      all.insert(all.end(), host.begin(), host.end());
    }
  });
  return all;
}

/// Listens through a function.
class listener final : public sysdpo::callback {
 public:
  explicit listener(std::function<bool(sysdpo::training_event const&)> listen) : listen_(std::move(listen)) {}
  bool on_step(sysdpo::training_event const& event) override { return listen_(event); }

 private:
  std::function<bool(sysdpo::training_event const&)> listen_;
};

/// Stops a training at a step.
inline listener stop_at(sysdpo::index_t step) {
  return listener([step](sysdpo::training_event const& event) { return event.step < step; });
}

}  // namespace test
