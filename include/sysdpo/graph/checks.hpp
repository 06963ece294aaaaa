// The rules that a system must keep, each a struct of its own. Only a broken rule is ever instantiated, and
// the compiler's note on it prints the offenders as template arguments: `rule::parent_is_declared<writer,
// prompt>`. Nothing exists at run time.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "sysdpo/graph/node.hpp"
#include "sysdpo/graph/type_list.hpp"
#include "sysdpo/graph/value.hpp"

namespace sysdpo {

namespace rule {

/// False, once the compiler knows the offenders.
template <class... Offenders>
inline constexpr bool kept = false;

/// A system takes sources and nodes alone.
template <class Given>
struct is_source_or_node {
  static_assert(kept<Given>,
                "sysdpo graph: a system takes only source<...> and node<...>; the note names <what it got>");
};

/// A system has a node.
template <class System>
struct has_nodes {
  static_assert(kept<System>,
                "sysdpo graph: no nodes: a system needs at least one node; the note names <the system>");
};

/// Names are letters, digits, `_` and `-`, with an index from 0 if any.
template <class Name>
struct name_is_plain {
  static_assert(kept<Name>,
                "sysdpo graph: bad name: it needs static constexpr auto name = \"...\" of letters, digits, "
                "'_' and '-', and an index, if any, not below 0; the note names <the name>");
};

/// No two declarations are called the same.
template <class First, class Second>
struct names_differ {
  static_assert(kept<First, Second>,
                "sysdpo graph: duplicate name: the note names <first, second> that are called the same");
};

/// A parent is declared in the system.
template <class Child, class Parent>
struct parent_is_declared {
  static_assert(
      kept<Child, Parent>,
      "sysdpo graph: unknown parent: the system declares no such name; the note names <child, parent>");
};

/// A parent is declared before its child, which rules out cycles.
template <class Child, class Parent>
struct parent_comes_first {
  static_assert(
      kept<Child, Parent>,
      "sysdpo graph: cycle: a parent must be declared before its child; the note names <child, parent>");
};

/// Only lists have parts.
template <class Part, class ParentValue>
struct part_is_of_a_list {
  static_assert(
      kept<Part, ParentValue>,
      "sysdpo graph: part of a non-list: only lists have parts; the note names <part, parent's value>");
};

/// A part lies within its list.
template <class Part, class ParentValue>
struct part_is_in_range {
  static_assert(kept<Part, ParentValue>,
                "sysdpo graph: part out of range of the list; the note names <part, parent's value>");
};

/// A policy accepts the values of its parents.
template <class Child, class Policy, class ParentValues>
struct parent_values_fit {
  static_assert(kept<Child, Policy, ParentValues>,
                "sysdpo graph: value types do not fit: the policy does not accept its parents' values; the "
                "note names <child, policy, parents' values>");
};

/// A tag belongs to one kind of model.
template <class First, class Second>
struct tag_has_one_model {
  static_assert(kept<First, Second>,
                "sysdpo graph: one tag, two models: weights belong to one model description; the note names "
                "<first, second>");
};

/// What is asked for by name is declared.
template <class Name>
struct name_is_declared {
  static_assert(
      kept<Name>,
      "sysdpo graph: unknown name: the system declares no such source or node; the note names <the name>");
};

/// What is asked for as a node is no source.
template <class Name>
struct name_is_a_node {
  static_assert(
      kept<Name>,
      "sysdpo graph: no such node: only what a node<...> declares has one; the note names <the name>");
};

}  // namespace rule

namespace detail {

/// The broken rules among those checked, as a list: empty where `Holds`, else `Rule`, still uninstantiated.
template <bool Holds, class Rule>
using broken_unless = std::conditional_t<Holds, type_list<>, type_list<Rule>>;

/// Instantiates broken rules, which makes the compiler say so.
template <class Rules>
struct report;

template <class... Rules>
struct report<type_list<Rules...>> : Rules... {};

/// Where `Name` is declared; the number of declarations where it is not.
template <class Name, class... Declarations>
inline constexpr std::size_t position_of = type_list<typename Declarations::name...>::template index_of<Name>;

/// The value type that a parent, which must be declared, hands to its child.
template <class Parent, class... Declarations>
struct referenced {
  using value = typename type_list<Declarations...>::template at<position_of<Parent, Declarations...>>::value;
};

template <class Name, int Index, class... Declarations>
struct referenced<part<Name, Index>, Declarations...> {
  using value = typename referenced<Name, Declarations...>::value::element;
};

template <class Name>
constexpr bool is_plain() {
  if constexpr (named<Name>) {
    if constexpr (requires { Name::index; }) {
      if (Name::index < 0) return false;
    }
    for (char const c : std::string_view(Name::name)) {
      bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') return false;
    }
    return !std::string_view(Name::name).empty();
  }
  return false;
}

struct accepts_name {
  int accepts;
};

template <class Policy>
struct policy_and_accepts_name : Policy, accepts_name {};

/// Whether `Policy` has a member called `accepts`, whatever its template parameters: if so, the name is
/// ambiguous in a class that inherits it twice.
template <class Policy>
inline constexpr bool declares_accepts = !requires { &policy_and_accepts_name<Policy>::accepts; };

template <class Policy, class... ParentValues>
constexpr bool accepts() {
  if constexpr (requires { Policy::template accepts<ParentValues...>; }) {
    return Policy::template accepts<ParentValues...>;
  }
  return !declares_accepts<Policy>;
}

/// The checks of one system, one stage after the other: a stage is looked at only if those before it hold, so
/// that one mistake is reported once.
template <class... Declarations>
struct checks {
  // Names.

  template <class... Rest>
  struct duplicates {
    using broken = type_list<>;
  };

  template <class First, class... Rest>
  struct duplicates<First, Rest...> {
    using broken =
        concatenate<broken_unless<name_of<First>() != name_of<Rest>(), rule::names_differ<First, Rest>>...,
                    typename duplicates<Rest...>::broken>;
  };

  // Edges.

  template <class Child, class Parent>
  static constexpr auto check_edge() {
    constexpr std::size_t parent = position_of<typename reference<Parent>::name, Declarations...>;
    constexpr std::size_t child = position_of<Child, Declarations...>;
    if constexpr (parent == sizeof...(Declarations)) {
      return type_list<rule::parent_is_declared<Child, Parent>>{};
    } else {
      return broken_unless<(parent < child), rule::parent_comes_first<Child, Parent>>{};
    }
  }

  template <class Declaration>
  struct edges_of {
    using broken = type_list<>;
  };

  template <class Name, class Policy, class... Parents>
  struct edges_of<node<Name, Policy, from<Parents...>>> {
    using broken = concatenate<decltype(check_edge<Name, Parents>())...>;
  };

  // Values.

  template <class Parent>
  struct part_of {
    using broken = type_list<>;
  };

  template <class Name, int Index>
  struct part_of<part<Name, Index>> {
    static constexpr auto check() {
      using value = typename referenced<Name, Declarations...>::value;
      if constexpr (list_value<value>) {
        return broken_unless<(Index >= 0 && Index < value::length),
                             rule::part_is_in_range<part<Name, Index>, value>>{};
      } else {
        return type_list<rule::part_is_of_a_list<part<Name, Index>, value>>{};
      }
    }
    using broken = decltype(check());
  };

  template <class Declaration>
  struct values_of {
    using broken = type_list<>;
  };

  template <class Name, class Policy, class... Parents>
  struct values_of<node<Name, Policy, from<Parents...>>> {
    static constexpr auto check() {
      using broken_parts = concatenate<typename part_of<Parents>::broken...>;
      if constexpr (broken_parts::size > 0) {
        return broken_parts{};
      } else {
        return broken_unless<
            accepts<Policy, typename referenced<Parents, Declarations...>::value...>(),
            rule::parent_values_fit<Name, Policy,
                                    from<typename referenced<Parents, Declarations...>::value...>>>{};
      }
    }
    using broken = decltype(check());
  };

  // Models.

  template <class Models>
  struct shared_tags {
    using broken = type_list<>;
  };

  template <class First, class... Rest>
  struct shared_tags<type_list<First, Rest...>> {
    using broken = concatenate<broken_unless<!std::is_same_v<typename First::tag, typename Rest::tag>,
                                             rule::tag_has_one_model<First, Rest>>...,
                               typename shared_tags<type_list<Rest...>>::broken>;
  };

  /// The broken rules of the first stage that has any.
  template <class System, class Models>
  static constexpr auto check() {
    using strangers =
        concatenate<broken_unless<is_declaration<Declarations>, rule::is_source_or_node<Declarations>>...>;
    if constexpr (strangers::size > 0) {
      return strangers{};
    } else if constexpr (!(is_node<Declarations> || ...)) {
      return type_list<rule::has_nodes<System>>{};
    } else if constexpr (!(is_plain<typename Declarations::name>() && ...)) {
      return concatenate<broken_unless<is_plain<typename Declarations::name>(),
                                       rule::name_is_plain<typename Declarations::name>>...>{};
    } else if constexpr (duplicates<typename Declarations::name...>::broken::size > 0) {
      return typename duplicates<typename Declarations::name...>::broken{};
    } else if constexpr (concatenate<typename edges_of<Declarations>::broken...>::size > 0) {
      return concatenate<typename edges_of<Declarations>::broken...>{};
    } else {
      return concatenate<typename values_of<Declarations>::broken..., typename shared_tags<Models>::broken>{};
    }
  }

  /// The broken rules of a reference to a value, made from outside the system.
  template <class Reference>
  static constexpr auto check_reference() {
    using name = typename reference<Reference>::name;
    if constexpr (position_of<name, Declarations...> == sizeof...(Declarations)) {
      return type_list<rule::name_is_declared<name>>{};
    } else {
      return typename part_of<Reference>::broken{};
    }
  }
};

}  // namespace detail

}  // namespace sysdpo
