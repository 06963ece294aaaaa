// What a system is made of: names, sources, nodes, and edges to whole values or to parts of them.
//
// A *name* is a struct with `static constexpr auto name = "writer";`. The members of a family, `template <int
// K> struct panel`, share `name` and add `static constexpr int index = K;`: they are called "panel_0",
// "panel_1" …. Files, metrics and pictures use these names; a compiler-printed one never appears. A model's
// *tag* is a name too.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "sysdpo/graph/type_list.hpp"
#include "sysdpo/graph/value.hpp"

namespace sysdpo {

/// A struct with a static `name`; its static `index`, if any, is appended to it.
template <class Name>
concept named = requires {
  { Name::name } -> std::convertible_to<std::string_view>;
};

namespace detail {

template <named Name>
inline constexpr int index_of_name = -1;

template <named Name>
  requires requires { Name::index; }
inline constexpr int index_of_name<Name> = Name::index;

constexpr std::size_t digits(int number) {
  std::size_t count = 1;
  for (; number >= 10; number /= 10) ++count;
  return count;
}

template <named Name>
inline constexpr auto full_name = [] {
  constexpr std::string_view stem = Name::name;
  constexpr int index = index_of_name<Name>;
  std::array<char, stem.size() + (index < 0 ? 0 : 1 + digits(index))> letters{};
  for (std::size_t i = 0; i < stem.size(); ++i) letters[i] = stem[i];
  if constexpr (index >= 0) {
    letters[stem.size()] = '_';
    int rest = index;
    for (std::size_t i = letters.size(); i > stem.size() + 1; rest /= 10) {
      letters[--i] = static_cast<char>('0' + rest % 10);
    }
  }
  return letters;
}();

}  // namespace detail

/// The name of a source, a node or a model's tag: "writer", or "panel_0" for a name with an index.
template <named Name>
constexpr std::string_view name_of() {
  return {detail::full_name<Name>.data(), detail::full_name<Name>.size()};
}

/// Whether a node's loss is exact or the surrogate that a bound on its log-likelihood gives.
enum class loss_kind { exact, surrogate };

/// The model of a node that has none: a tool, a table.
struct no_model {};

/// Describes a model: its `tag` says which weights it has, and two nodes with one description share one
/// instance.
template <class Model>
concept model_description = std::same_as<Model, no_model> || requires { typename Model::tag; };

/// The name of a model is its tag's; only what uses the name needs the tag to be complete.
template <class Model>
constexpr std::string_view model_name() {
  static_assert(
      named<typename Model::tag>,
      "sysdpo graph: a model's tag needs a name here: struct tag { static constexpr auto name = \"...\"; };");
  return name_of<typename Model::tag>();
}

/// What the graph asks of a node's policy: the type of `value` it produces, the `model` it uses and the kind
/// of its loss. A policy may also say which parents it takes, `template <class... ParentValues> static
/// constexpr bool accepts`, and what it is called in pictures, `static constexpr auto kind`. Parents that
/// `accepts` cannot be asked about, because it takes another number of them, are not accepted.
template <class Policy>
concept node_policy = requires {
  requires value_type<typename Policy::value>;
  requires model_description<typename Policy::model>;
  requires !std::is_final_v<Policy>;
  { Policy::loss_is } -> std::convertible_to<loss_kind>;
};

/// Element `Index` of a list-valued parent.
template <class Name, int Index>
struct part {};

/// The parents of a node: names, or parts of them, in the order in which the policy sees them.
template <class... Parents>
struct from {
  using list = type_list<Parents...>;
};

/// A value that is given, never generated: `x` of the method.
template <class Name, value_type Value>
struct source {
  using name = Name;
  using value = Value;
};

/// A value that `Policy` generates from its parents: `v_k` of the method.
template <class Name, node_policy Policy, class Parents>
struct node;

/// A node as it is written, with `from<...>`.
template <class Name, node_policy Policy, class... Parents>
struct node<Name, Policy, from<Parents...>> {
  using name = Name;
  using policy = Policy;
  using parents = from<Parents...>;
  using value = typename Policy::value;
  using model = typename Policy::model;
  static constexpr loss_kind loss_is = Policy::loss_is;
};

namespace detail {

template <class Declaration>
inline constexpr bool is_source = false;

template <class Name, class Value>
inline constexpr bool is_source<source<Name, Value>> = true;

template <class Declaration>
inline constexpr bool is_node = false;

template <class Name, class Policy, class Parents>
inline constexpr bool is_node<node<Name, Policy, Parents>> = true;

template <class Declaration>
inline constexpr bool is_declaration = is_source<Declaration> || is_node<Declaration>;

/// What a parent refers to: the name itself, or the name that a part is of.
template <class Parent>
struct reference {
  using name = Parent;
};

template <class Name, int Index>
struct reference<part<Name, Index>> {
  using name = Name;
};

}  // namespace detail

}  // namespace sysdpo
