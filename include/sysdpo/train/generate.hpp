// Ancestral sampling of a whole system: every node drawn given its parents, in topological order.
//
// Independent nodes that share policy and kind of parents are drawn in one call: three panels are one batch.
// Draws are keyed by (seed, request's id, node, visit), never by a place in a batch: requests may be cut into
// batches anyhow.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sysdpo/graph/system.hpp"
#include "sysdpo/model/models.hpp"
#include "sysdpo/policy/options.hpp"

namespace sysdpo {

/// What to draw for: an assignment with its sources filled, and the id that names its random draws.
template <class System>
struct generation_request {
  std::uint64_t id = 0;
  assignment<System> given{};
};

/// What to draw, and what to keep.
template <class System>
struct generation_options {
  std::uint64_t seed = 0;
  std::uint32_t visit = 0;            ///< another number gives other draws for the same ids
  node_numbers<System, bool> keep{};  ///< nodes whose values are taken from the request, not drawn
  index_t requests_at_once = 0;       ///< bounds the memory; 0 draws all in one go
};

/// The outcome, in the order of the requests. `valid[i]` is false where some node's model gave no value of
/// its type even after its retries; that value and those of the nodes behind it are then default-constructed.
template <class System>
struct generated {
  std::vector<assignment<System>> values;
  std::vector<bool> valid;
  node_numbers<System, index_t> retries{};   ///< outputs that were thrown away, by node
  node_numbers<System, index_t> failures{};  ///< requests that a node gave up on

  /// The share of requests that are not valid.
  [[nodiscard]] double failure_rate() const {
    auto const failed = std::count(valid.begin(), valid.end(), false);
    return valid.empty() ? 0.0 : static_cast<double>(failed) / static_cast<double>(valid.size());
  }
};

/// Where the draw indices of generation begin: what a value was made from is never the noise that training
/// later tests it with, though both are keyed by the same ids.
inline constexpr std::uint32_t generation_draws = 0x40000000U;

namespace detail {

/// One more than the deepest of the parents; 0 without any among the nodes.
template <class System, class... Parents>
constexpr std::size_t depth_below(std::array<std::size_t, System::node_count> const& depth,
                                  from<Parents...>) {
  std::size_t deepest = 0;
  for_each_node<System>([&](auto node) {
    using name = typename decltype(node)::node::name;
    if constexpr ((std::is_same_v<name, typename reference<Parents>::name> || ...))
      deepest = std::max(deepest, depth[node] + 1);
  });
  return deepest;
}

template <class System>
constexpr auto depths_of_nodes() {
  std::array<std::size_t, System::node_count> depth{};
  for_each_node<System>(
      [&](auto node) { depth[node] = depth_below<System>(depth, typename decltype(node)::node::parents{}); });
  return depth;
}

/// Length of the longest path from a node that depends on no other: nodes of one depth are independent.
template <class System>
inline constexpr auto depths = depths_of_nodes<System>();

/// Draws the nodes of one group and depth for all rows that are still valid.
template <class System, std::size_t Group, std::size_t Depth, class Models>
void draw_nodes(Models& models, policy_options<System> const& policies,
                std::span<generation_request<System> const> requests,
                generation_options<System> const& options, generated<System>& into, std::size_t offset) {
  using first = typename System::template node_at<System::group_members(Group).front()>;
  using policy = typename first::policy;
  using request = request_of<System, first>;
  std::vector<request> wanted;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // node, row
  for_each_node<System>([&](auto tag) {
    if constexpr (System::group_of[tag] == Group && depths<System>[tag] == Depth) {
      using name = typename decltype(tag)::node::name;
      if (options.keep.values[tag]) return;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        if (!into.valid[offset + i]) continue;
        wanted.push_back({.parents = parent_pointers<name>(std::as_const(into.values[offset + i])),
                          .key = {.seed = options.seed,
                                  .pair = requests[i].id,
                                  .node = static_cast<std::uint32_t>(tag),
                                  .visit = options.visit,
                                  .draw = generation_draws}});
        places.emplace_back(tag, offset + i);
      }
    }
  });
  if (wanted.empty()) return;

  auto result = policy::sample(models.template get<typename policy::model>(), policies.template get<policy>(),
                               std::span<request const>(wanted));
  if (result.values.size() != wanted.size() || result.valid.size() != wanted.size())
    fail({"generation", fmt::format("node '{}'", name_of<typename first::name>()),
          fmt::format("the policy drew {} values for {} requests", result.values.size(), wanted.size()),
          "Return one value a request"});
  into.retries.values[places.front().first] += result.retries;
  for_each_node<System>([&](auto tag) {
    if constexpr (System::group_of[tag] == Group && depths<System>[tag] == Depth) {
      for (std::size_t k = 0; k < places.size(); ++k) {
        auto const [node, row] = places[k];
        if (node != tag) continue;
        get<typename decltype(tag)::node::name>(into.values[row]) = std::move(result.values[k]);
        if (result.valid[k]) continue;
        into.valid[row] = false;
        ++into.failures.values[tag];
      }
    }
  });
}

}  // namespace detail

/// Draws a value for every node of every request. Retries of nodes that were drawn in one call are counted at
/// the first of them.
template <class System, class Backend, class Precision>
[[nodiscard]] generated<System> generate(models<System, Backend, Precision>& models,
                                         policy_options<System> const& policies,
                                         std::span<generation_request<System> const> requests,
                                         generation_options<System> const& options = {}) {
  generated<System> result;
  for (auto const& request : requests) result.values.push_back(request.given);
  for_each_node<System>([&](auto tag) {  // what is not drawn must not look as if it were
    if (!options.keep.values[tag])
      for (auto& values : result.values) get<typename decltype(tag)::node::name>(values) = {};
  });
  result.valid.assign(requests.size(), true);
  auto const at_once = options.requests_at_once > 0 ? static_cast<std::size_t>(options.requests_at_once)
                                                    : std::max<std::size_t>(requests.size(), 1);
  for (std::size_t begin = 0; begin < requests.size(); begin += at_once) {
    auto const piece = requests.subspan(begin, std::min(at_once, requests.size() - begin));
    [&]<std::size_t... Depth>(std::index_sequence<Depth...>) {
      auto const draw_depth = [&]<std::size_t D, std::size_t... Group>(std::integral_constant<std::size_t, D>,
                                                                       std::index_sequence<Group...>) {
        (detail::draw_nodes<System, Group, D>(models, policies, piece, options, result, begin), ...);
      };
      (draw_depth(std::integral_constant<std::size_t, Depth>{},
                  std::make_index_sequence<System::group_count>{}),
       ...);
    }(std::make_index_sequence<System::node_count>{});
  }
  return result;
}

}  // namespace sysdpo
