// The run-time settings of all policies of a system, one aggregate for each distinct policy.
#pragma once

#include <tuple>

#include "sysdpo/graph/system.hpp"
#include "sysdpo/policy/concept.hpp"

namespace sysdpo {

namespace detail {

template <class Nodes>
struct policies_in;
template <class... Nodes>
struct policies_in<type_list<Nodes...>> {
  using type = distinct_types<typename Nodes::policy...>;
};

template <class Policies>
struct options_tuple;
template <class... Policies>
struct options_tuple<type_list<Policies...>> {
  using type = std::tuple<options_of<Policies>...>;
};

}  // namespace detail

/// `get<author>() = {.separator = 1, .end = 2};` Nodes that share a policy share its settings.
template <class System>
class policy_options {
 public:
  using policies = typename detail::policies_in<typename System::nodes>::type;

  /// The settings of a policy.
  template <class Policy>
  [[nodiscard]] options_of<Policy>& get() {
    return std::get<policies::template index_of<Policy>>(options_);
  }
  /// The same, to be read alone.
  template <class Policy>
  [[nodiscard]] options_of<Policy> const& get() const {
    return std::get<policies::template index_of<Policy>>(options_);
  }

 private:
  typename detail::options_tuple<policies>::type options_{};
};

/// One number for every node of a system, by name.
template <class System, class Number = double>
struct node_numbers {
  std::array<Number, System::node_count> values{};

  /// `start` for every node.
  [[nodiscard]] static constexpr node_numbers all(Number start) {
    node_numbers made;
    made.values.fill(start);
    return made;
  }
  /// The number of a node.
  template <class Name>
  [[nodiscard]] constexpr Number& at() {
    return values[System::template index_of<Name>];
  }
  /// The same, to be read alone.
  template <class Name>
  [[nodiscard]] constexpr Number const& at() const {
    return values[System::template index_of<Name>];
  }
};

}  // namespace sysdpo
