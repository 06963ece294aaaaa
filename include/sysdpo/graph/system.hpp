// A compound system as a type, and the values that flow through it.
//
// `system<source<…>, node<…>, …>` lists its declarations parents first, which alone makes it acyclic. It is
// never instantiated as an object; everything about it is a static member. Node indices 0 … node_count − 1
// count nodes only, in order of declaration, which is a topological order.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sysdpo/graph/checks.hpp"
#include "sysdpo/graph/node.hpp"
#include "sysdpo/graph/type_list.hpp"
#include "sysdpo/graph/value.hpp"

namespace sysdpo {

namespace detail {

template <class Declaration>
using nodes_in = std::conditional_t<is_node<Declaration>, type_list<Declaration>, type_list<>>;

template <class Declaration>
using sources_in = std::conditional_t<is_source<Declaration>, type_list<Declaration>, type_list<>>;

template <class Declaration>
struct model_in {
  using type = type_list<>;
};

template <class Name, class Policy, class Parents>
  requires(!std::is_same_v<typename Policy::model, no_model>)
struct model_in<node<Name, Policy, Parents>> {
  using type = type_list<typename Policy::model>;
};

template <class Declaration>
using models_in = typename model_in<Declaration>::type;

template <class List>
struct distinct_of;

template <class... Types>
struct distinct_of<type_list<Types...>> {
  using type = distinct_types<Types...>;
};

template <class... Nodes>
constexpr loss_kind loss_of(type_list<Nodes...>) {
  return ((Nodes::loss_is == loss_kind::surrogate) || ...) ? loss_kind::surrogate : loss_kind::exact;
}

template <class Name, class... Nodes>
constexpr std::size_t index_of_node(type_list<Nodes...>) {
  constexpr std::size_t index = position_of<Name, Nodes...>;
  using broken = broken_unless<(index < sizeof...(Nodes)), rule::name_is_a_node<Name>>;
  return sizeof(report<broken>) > 0 ? index : 0;
}

/// The value type that a reference from outside the system names; has no `type` where it names none.
template <class Broken, class Reference, class... Declarations>
struct value_of : report<Broken> {};

template <class Reference, class... Declarations>
struct value_of<type_list<>, Reference, Declarations...> {
  using type = typename referenced<Reference, Declarations...>::value;
};

template <class System, class Parents>
struct parent_values;

template <class System, class... Parents>
struct parent_values<System, from<Parents...>> {
  using type = type_list<typename System::template value_of<Parents>...>;
};

/// What two nodes must have in common to be scored as one batch.
template <class Policy, class ParentValues>
struct group_key {};

template <class System, class Nodes>
struct grouping;

template <class System, class... Nodes>
struct grouping<System, type_list<Nodes...>> {
  template <class Node>
  using key_of =
      group_key<typename Node::policy, typename parent_values<System, typename Node::parents>::type>;
  using keys = distinct_types<key_of<Nodes>...>;

  static constexpr std::array<std::size_t, sizeof...(Nodes)> group_of{
      keys::template index_of<key_of<Nodes>>...};

  static constexpr std::array<std::size_t, keys::size + 1> begin = [] {
    std::array<std::size_t, keys::size + 1> offsets{};
    for (std::size_t const group : group_of) ++offsets[group + 1];
    for (std::size_t group = 0; group < keys::size; ++group) offsets[group + 1] += offsets[group];
    return offsets;
  }();

  static constexpr std::array<std::size_t, sizeof...(Nodes)> slot_of = [] {
    std::array<std::size_t, sizeof...(Nodes)> slots{};
    std::array<std::size_t, keys::size + 1> next = begin;
    for (std::size_t node = 0; node < slots.size(); ++node) slots[node] = next[group_of[node]]++;
    return slots;
  }();

  static constexpr std::array<std::size_t, sizeof...(Nodes)> node_in_slot = [] {
    std::array<std::size_t, sizeof...(Nodes)> nodes{};
    for (std::size_t node = 0; node < nodes.size(); ++node) nodes[slot_of[node]] = node;
    return nodes;
  }();
};

template <class Declarations>
struct storage;

template <class... Declarations>
struct storage<type_list<Declarations...>> {
  using type = std::tuple<typename Declarations::value::type...>;

  template <class Name>
  static constexpr std::size_t position = position_of<Name, Declarations...>;
};

template <class Reference>
struct getter {
  template <class Assignment>
  static constexpr auto& get(Assignment& assignment) {
    using declarations = typename Assignment::system::declarations;
    return std::get<storage<declarations>::template position<Reference>>(assignment.values);
  }
};

template <class Name, int Index>
struct getter<part<Name, Index>> {
  template <class Assignment>
  static constexpr auto& get(Assignment& assignment) {
    return getter<Name>::get(assignment)[std::size_t{Index}];
  }
};

}  // namespace detail

/// A compound system. Breaking a rule of `graph/checks.hpp` is a compile-time error as soon as a member is
/// used.
template <class... Declarations>
struct system {
  using declarations = type_list<Declarations...>;
  using sources = concatenate<detail::sources_in<Declarations>...>;
  using nodes = concatenate<detail::nodes_in<Declarations>...>;
  /// The distinct model descriptions, in order of first appearance; `no_model` is none.
  using models = typename detail::distinct_of<concatenate<detail::models_in<Declarations>...>>::type;

  /// The broken rules: none, or else the next line makes the compiler report them.
  using broken_rules = decltype(detail::checks<Declarations...>::template check<system, models>());
  static_assert(sizeof(detail::report<broken_rules>) > 0);

  static constexpr std::size_t source_count = sources::size;
  static constexpr std::size_t node_count = nodes::size;
  static constexpr std::size_t model_count = models::size;

  template <std::size_t Index>
  using node_at = typename nodes::template at<Index>;
  template <std::size_t Index>
  using source_at = typename sources::template at<Index>;

  /// The value type of a source, a node, or a part of one.
  template <class Reference>
  using value_of = typename detail::value_of<
      decltype(detail::checks<Declarations...>::template check_reference<Reference>()), Reference,
      Declarations...>::type;

  /// The index among the nodes of the node called `Name`.
  template <class Name>
  static constexpr std::size_t index_of = detail::index_of_node<Name>(nodes{});

  /// The parents' value types of the node called `Name`, as a `type_list`.
  template <class Name>
  using parent_values_of =
      typename detail::parent_values<system, typename node_at<index_of<Name>>::parents>::type;

  /// A surrogate if any node is.
  static constexpr loss_kind loss_is = detail::loss_of(nodes{});

  // Nodes with the same policy and the same parents' value types form a group: given all values, as in
  // scoring, their rows make one batch, even where one node is an ancestor of another. Groups are counted in
  // order of first appearance, and slots order the nodes so that a group's members are neighbours.

  /// Nodes that can be grouped: all, unless a rule is broken and reported.
  using grouping = detail::grouping<system, std::conditional_t<broken_rules::size == 0, nodes, type_list<>>>;

  static constexpr std::size_t group_count = grouping::keys::size;
  /// Group of each node.
  static constexpr std::array<std::size_t, node_count> group_of = grouping::group_of;
  /// Node in each slot.
  static constexpr std::array<std::size_t, node_count> node_in_slot = grouping::node_in_slot;
  /// Slot of each node: the inverse of `node_in_slot`.
  static constexpr std::array<std::size_t, node_count> slot_of = grouping::slot_of;
  /// Group g has the slots from `group_begin[g]` up to `group_begin[g + 1]`.
  static constexpr std::array<std::size_t, group_count + 1> group_begin = grouping::begin;

  /// The nodes of a group, in topological order.
  static constexpr std::span<std::size_t const> group_members(std::size_t group) {
    return std::span(node_in_slot).subspan(group_begin[group], group_begin[group + 1] - group_begin[group]);
  }
};

/// The index of a declaration as a constant that functions can take: it converts to the index, and has the
/// declaration as `source` or `node`.
template <class System, std::size_t Index>
struct source_tag : std::integral_constant<std::size_t, Index> {
  using source = typename System::template source_at<Index>;
};

/// The same of a node.
template <class System, std::size_t Index>
struct node_tag : std::integral_constant<std::size_t, Index> {
  using node = typename System::template node_at<Index>;
};

/// Calls `visit(source_tag<System, I>{})` for every source, in order of declaration.
template <class System, class Visit>
constexpr void for_each_source(Visit&& visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (static_cast<void>(visit(source_tag<System, I>{})), ...);
  }(std::make_index_sequence<System::source_count>{});
}

/// Calls `visit(node_tag<System, I>{})` for every node, in topological order.
template <class System, class Visit>
constexpr void for_each_node(Visit&& visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (static_cast<void>(visit(node_tag<System, I>{})), ...);
  }(std::make_index_sequence<System::node_count>{});
}

/// Folds over the nodes in topological order: `total = step(total, node_tag<System, I>{})`, beginning with
/// `total`.
template <class System, class Total, class Step>
constexpr Total fold_nodes(Total total, Step&& step) {
  for_each_node<System>([&](auto tag) { total = step(std::move(total), tag); });
  return total;
}

/// One value for every source and node: what the method calls (x, s). Default-constructed values stand for
/// "not there yet".
template <class System>
struct assignment {
  using system = System;

  typename detail::storage<typename System::declarations>::type values{};  ///< in order of declaration

  bool operator==(assignment const&) const = default;
};

/// The value of a source, a node (`get<writer>(s)`) or a part (`get<part<writer, 0>>(s)`).
template <class Reference, class System>
constexpr typename System::template value_of<Reference>::type& get(assignment<System>& values) {
  return detail::getter<Reference>::get(values);
}

/// The same, to be read alone.
template <class Reference, class System>
constexpr typename System::template value_of<Reference>::type const& get(assignment<System> const& values) {
  return detail::getter<Reference>::get(values);
}

/// References to the parents' values of the node called `Name`, in the order of its `from<…>`. They live as
/// long as `values`.
template <class Name, class System>
constexpr auto parents_of(assignment<System> const& values) {
  return [&]<class... Parents>(from<Parents...>) {
    return std::tuple<typename System::template value_of<Parents>::type const&...>(get<Parents>(values)...);
  }(typename System::template node_at<System::template index_of<Name>>::parents{});
}

/// References into a temporary would dangle.
template <class Name, class System>
void parents_of(assignment<System> const&& values) = delete;

/// The same as pointers.
template <class Name, class System>
constexpr auto parent_pointers(assignment<System> const& values) {
  return std::apply([](auto const&... parent) { return std::tuple{&parent...}; }, parents_of<Name>(values));
}
/// Pointers into a temporary would dangle.
template <class Name, class System>
void parent_pointers(assignment<System> const&& values) = delete;

}  // namespace sysdpo
