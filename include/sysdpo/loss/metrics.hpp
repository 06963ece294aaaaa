// What a batch's result says, on the host, under the names that TRL's users know, for the system and for
// every node: where the margin came from.
#pragma once

#include <cmath>
#include <map>
#include <string>

#include "sysdpo/graph/system.hpp"
#include "sysdpo/loss/preference.hpp"

namespace sysdpo {

/// Metric values by name, in alphabetical order.
using metric_map = std::map<std::string, double>;

/// The metrics of a batch:
///
///     loss                                 mean over pairs
///     rewards/chosen, rejected             mean β·A of each side
///     rewards/margins                      mean β·(A(chosen) − A(rejected))
///     rewards/accuracies                   share of pairs with A(chosen) > A(rejected)
///     node/<name>/rewards/…                the same for β·c_k·r_k of each node that is scored
///     node/<name>/rewards/margins_std      its standard deviation over the pairs of the batch
///     node/<name>/logps/chosen, rejected   mean log p of each side under the policy, of exact nodes
///     logps/chosen, rejected               their sum over exact nodes
template <class System, class Backend, class T, class Link>
[[nodiscard]] metric_map metrics_of(preference_result<Backend, T> const& result,
                                    preference_options<System, Link> const& options) {
  metric_map metrics;
  auto const losses = result.losses.to_host();
  auto const scores = result.scores.to_host();
  auto const ratios = result.ratios.to_host();
  auto const pairs = losses.size();
  auto const count = static_cast<double>(pairs);

  auto const add = [&](std::string const& prefix, double factor, auto const& chosen, auto const& rejected) {
    double sum_chosen = 0;
    double sum_rejected = 0;
    double squares = 0;
    double right = 0;
    for (std::size_t p = 0; p < pairs; ++p) {
      auto const c = factor * static_cast<double>(chosen[p]);
      auto const r = factor * static_cast<double>(rejected[p]);
      sum_chosen += c;
      sum_rejected += r;
      squares += (c - r) * (c - r);
      right += c > r ? 1 : 0;
    }
    auto const margin = (sum_chosen - sum_rejected) / count;
    metrics[prefix + "rewards/chosen"] = sum_chosen / count;
    metrics[prefix + "rewards/rejected"] = sum_rejected / count;
    metrics[prefix + "rewards/margins"] = margin;
    metrics[prefix + "rewards/accuracies"] = right / count;
    return std::sqrt(std::max(0.0, squares / count - margin * margin));
  };

  auto const references = result.references.to_host();
  auto const add_log_probs = [&](std::string const& prefix, std::size_t first) {
    for (std::size_t side = 0; side < 2; ++side) {
      double sum = 0;
      for (auto i = first + side * pairs; i < first + (side + 1) * pairs; ++i)
        sum += static_cast<double>(references[i]) + static_cast<double>(ratios[i]);
      auto const name = std::string("logps/") + (side == 0 ? "chosen" : "rejected");
      metrics[prefix + name] = sum / count;
      metrics[name] += sum / count;
    }
  };

  double loss = 0;
  for (auto const value : losses) loss += value;
  metrics["loss"] = loss / count;
  add("", options.beta, scores.data(), scores.data() + pairs);
  for_each_node<System>([&](auto node) {
    using declaration = typename decltype(node)::node;
    if constexpr (is_scored<typename declaration::policy>) {
      auto const prefix = "node/" + std::string(name_of<typename declaration::name>()) + "/";
      auto const first = System::slot_of[node] * 2 * pairs;
      if (!std::isnan(static_cast<double>(references[first]))) add_log_probs(prefix, first);
      auto const* const chosen = ratios.data() + first;
      metrics[prefix + "rewards/margins_std"] =
          add(prefix, options.beta * options.scales.values[node], chosen, chosen + pairs);
    }
  });
  return metrics;
}

/// The noise that random draws alone put into margins, from two scorings of one batch with the same weights
/// under different visits:
///
///     node/<name>/draw_noise   sqrt(mean over pairs of (m − m')² / 2), m and m' being the node's
///                              β·c_k·(r(chosen) − r(rejected)) in the two
///     draw_noise               the same for the whole margin
///
/// The two are independent draws of one distribution a pair, so that (m − m')² / 2 is an unbiased estimate of
/// its variance: of a margin as the loss uses it, averaged over all K draws of a row. Nodes that draw nothing
/// have 0.
template <class System, class Backend, class T, class Link>
[[nodiscard]] metric_map draw_noise_of(preference_result<Backend, T> const& result,
                                       preference_result<Backend, T> const& again,
                                       preference_options<System, Link> const& options) {
  metric_map metrics;
  auto const pairs = static_cast<std::size_t>(result.losses.size());
  auto const add = [&](std::string const& name, double factor, auto const& a, auto const& b,
                       std::size_t first) {
    double squares = 0;
    for (auto p = first; p < first + pairs; ++p) {
      auto const difference = static_cast<double>(a[p]) - static_cast<double>(a[p + pairs]) -
                              (static_cast<double>(b[p]) - static_cast<double>(b[p + pairs]));
      squares += difference * difference;
    }
    metrics[name] = factor * std::sqrt(squares / (2 * static_cast<double>(pairs)));
  };
  add("draw_noise", options.beta, result.scores.to_host(), again.scores.to_host(), 0);
  auto const ratios = result.ratios.to_host();
  auto const others = again.ratios.to_host();
  for_each_node<System>([&](auto node) {
    using declaration = typename decltype(node)::node;
    if constexpr (is_scored<typename declaration::policy>)
      add("node/" + std::string(name_of<typename declaration::name>()) + "/draw_noise",
          options.beta * std::abs(options.scales.values[node]), ratios, others,
          System::slot_of[node] * 2 * pairs);
  });
  return metrics;
}

/// The name of the first node with a log-ratio that is no finite number, or an empty string.
template <class System, class Backend, class T>
[[nodiscard]] std::string first_unsound_node(preference_result<Backend, T> const& result) {
  auto const ratios = result.ratios.to_host();
  auto const per_slot = ratios.size() / System::node_count;
  std::string name;
  for_each_node<System>([&](auto node) {
    for (std::size_t i = 0; i < per_slot && name.empty(); ++i)
      if (!std::isfinite(static_cast<double>(ratios[System::slot_of[node] * per_slot + i])))
        name = name_of<typename decltype(node)::node::name>();
  });
  return name;
}

}  // namespace sysdpo
