// Looking into a training from outside: its weights, its steps.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "sysdpo/train/callbacks.hpp"

namespace test {

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
