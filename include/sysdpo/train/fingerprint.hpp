// Names of what a training or a cache was made from: data, weights, settings of policies. Where two differ,
// something else would come out.
#pragma once

#include <map>
#include <string>

#include "sysdpo/graph/hash_values.hpp"
#include "sysdpo/model/models.hpp"
#include "sysdpo/policy/options.hpp"

namespace sysdpo {

/// The hash of weights: their names and values.
template <class Backend, class Precision>
[[nodiscard]] fnv1a hash_of(parameter_set<Backend, Precision> const& weights) {
  fnv1a hash;
  for (auto const& weight : weights) {
    auto const host = weight.value.to_host();
    hash.add(weight.name).add(std::as_bytes(std::span(host)));
  }
  return hash;
}

/// What scores depend on, by name: "pair ids", "pair values", "weights of <model>", "settings of <node>".
template <class System, class Backend, class Precision>
[[nodiscard]] std::map<std::string, std::string> fingerprint_of(
    models<System, Backend, Precision> const& models, policy_options<System> const& policies,
    std::span<preference<System> const> pairs) {
  std::map<std::string, std::string> print;
  fnv1a ids;
  fnv1a values;
  for (auto const& pair : pairs) {
    add_value(ids, pair.id);
    add_pair(values, pair);
  }
  print["pair ids"] = ids.text();
  print["pair values"] = values.text();
  models.for_each([&](auto index, auto const& model) {
    print["weights of " + std::string(model_name<typename decltype(index)::model>())] =
        hash_of(model.parameters()).text();
  });
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    print["settings of " + std::string(name_of<typename node::name>())] =
        settings_of<typename node::policy>(policies.template get<typename node::policy>());
  });
  return print;
}

}  // namespace sysdpo
