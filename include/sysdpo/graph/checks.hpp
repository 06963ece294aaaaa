// The rules that a system must keep, each a struct of its own: when one is broken, the compiler's note on it
// prints the pair of offenders as template arguments, `parent_is_declared<writer, prompt, false>`. Nothing
// exists at run time.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "sysdpo/graph/node.hpp"
#include "sysdpo/graph/type_list.hpp"
#include "sysdpo/graph/value.hpp"

namespace sysdpo {

namespace rule {

template <class Declaration, bool Holds>
struct is_source_or_node {
  static_assert(Holds,
                "sysdpo graph: a system takes only source<...> and node<...>; the note names <what it got>");
  static constexpr bool holds = Holds;
};

template <class System, bool Holds>
struct has_nodes {
  static_assert(Holds,
                "sysdpo graph: no nodes: a system needs at least one node; the note names <the system>");
  static constexpr bool holds = Holds;
};

template <class Name, bool Holds>
struct name_is_plain {
  static_assert(
      Holds,
      "sysdpo graph: bad name: it needs static constexpr auto name = \"...\" of letters, digits, '_' "
      "and '-', and an index, if any, not below 0; the note names <the name>");
  static constexpr bool holds = Holds;
};

template <class First, class Second, bool Holds>
struct names_differ {
  static_assert(Holds,
                "sysdpo graph: duplicate name: the note names <first, second> that are called the same");
  static constexpr bool holds = Holds;
};

template <class Child, class Parent, bool Holds>
struct parent_is_declared {
  static_assert(
      Holds,
      "sysdpo graph: unknown parent: the system declares no such name; the note names <child, parent>");
  static constexpr bool holds = Holds;
};

template <class Child, class Parent, bool Holds>
struct parent_comes_first {
  static_assert(
      Holds,
      "sysdpo graph: cycle: a parent must be declared before its child; the note names <child, parent>");
  static constexpr bool holds = Holds;
};

template <class Part, class ParentValue, bool Holds>
struct part_is_of_a_list {
  static_assert(
      Holds,
      "sysdpo graph: part of a non-list: only lists have parts; the note names <part, parent's value>");
  static constexpr bool holds = Holds;
};

template <class Part, class ParentValue, bool Holds>
struct part_is_in_range {
  static_assert(Holds, "sysdpo graph: part out of range of the list; the note names <part, parent's value>");
  static constexpr bool holds = Holds;
};

template <class Child, class Policy, class ParentValues, bool Holds>
struct parent_values_fit {
  static_assert(
      Holds,
      "sysdpo graph: value types do not fit: the policy does not accept its parents' values; the note names "
      "<child, policy, parents' values>");
  static constexpr bool holds = Holds;
};

template <class First, class Second, bool Holds>
struct tag_has_one_model {
  static_assert(Holds,
                "sysdpo graph: one tag, two models: weights belong to one model description; the note names "
                "<first, second>");
  static constexpr bool holds = Holds;
};

template <class Name, bool Holds>
struct name_is_declared {
  static_assert(
      Holds,
      "sysdpo graph: unknown name: the system declares no such source or node; the note names <the name>");
  static constexpr bool holds = Holds;
};

template <class Name, bool Holds>
struct name_is_a_node {
  static_assert(
      Holds, "sysdpo graph: no such node: only what a node<...> declares has one; the note names <the name>");
  static constexpr bool holds = Holds;
};

}  // namespace rule

namespace detail {

/// Where `Name` is declared; the number of declarations where it is not.
template <class Name, class... Declarations>
inline constexpr std::size_t position_of = type_list<typename Declarations::name...>::template index_of<Name>;

/// The value type that a parent hands to its child, given where the parent is declared.
template <class Parent, class... Declarations>
struct referenced {
  using value = typename type_list<Declarations...>::template at<position_of<Parent, Declarations...>>::value;
};

template <class Name, int Index, class... Declarations>
struct referenced<part<Name, Index>, Declarations...> {
  using value = typename referenced<Name, Declarations...>::value::element;
};

template <class Name>
constexpr bool plain_name() {
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

/// Whether `Policy` has a member called `accepts`, whatever its template parameters: then the name is
/// ambiguous in a class that inherits it twice.
template <class Policy>
inline constexpr bool declares_accepts = !requires { &policy_and_accepts_name<Policy>::accepts; };

template <class... Declarations>
struct checks {
  template <class First, class... Rest>
  static constexpr bool names_differ() {
    bool const first_differs =
        (rule::names_differ<typename First::name, typename Rest::name,
                            name_of<typename First::name>() != name_of<typename Rest::name>()>::holds &&
         ... && true);
    if constexpr (sizeof...(Rest) > 0) {
      return names_differ<Rest...>() && first_differs;
    }
    return first_differs;
  }

  template <class Child, class Parent>
  static constexpr bool edge_holds() {
    constexpr std::size_t parent = position_of<typename reference<Parent>::name, Declarations...>;
    constexpr std::size_t child = position_of<typename Child::name, Declarations...>;
    if constexpr (rule::parent_is_declared<typename Child::name, Parent,
                                           (parent < sizeof...(Declarations))>::holds) {
      return rule::parent_comes_first<typename Child::name, Parent, (parent < child)>::holds;
    }
    return false;
  }

  template <class Parent>
  struct part_check {
    static constexpr bool holds = true;
  };

  template <class Name, int Index>
  struct part_check<part<Name, Index>> {
    static constexpr bool check() {
      using value = typename referenced<Name, Declarations...>::value;
      if constexpr (rule::part_is_of_a_list<part<Name, Index>, value, list_value<value>>::holds) {
        return rule::part_is_in_range<part<Name, Index>, value, (Index >= 0 && Index < value::length)>::holds;
      }
      return false;
    }
    static constexpr bool holds = check();
  };

  template <class Policy, class... ParentValues>
  static constexpr bool accepted() {
    if constexpr (requires { Policy::template accepts<ParentValues...>; }) {
      return Policy::template accepts<ParentValues...>;
    }
    return !declares_accepts<Policy>;
  }

  template <class Declaration>
  struct of {
    static constexpr bool edges_hold = true;
    static constexpr bool values_fit() { return true; }
  };

  template <class Name, class Policy, class... Parents>
  struct of<node<Name, Policy, from<Parents...>>> {
    static constexpr bool edges_hold =
        (edge_holds<node<Name, Policy, from<Parents...>>, Parents>() && ... && true);

    static constexpr bool values_fit() {
      if constexpr ((part_check<Parents>::holds && ... && true)) {
        return rule::parent_values_fit<
            Name, Policy, from<typename referenced<Parents, Declarations...>::value...>,
            accepted<Policy, typename referenced<Parents, Declarations...>::value...>()>::holds;
      }
      return false;
    }
  };

  template <class First, class... Rest>
  static constexpr bool tags_have_one_model(type_list<First, Rest...>) {
    bool const first_holds =
        (rule::tag_has_one_model<First, Rest,
                                 !std::is_same_v<typename First::tag, typename Rest::tag>>::holds &&
         ... && true);
    return tags_have_one_model(type_list<Rest...>{}) && first_holds;
  }
  static constexpr bool tags_have_one_model(type_list<>) { return true; }

  template <class System>
  static constexpr bool names_hold() {
    if constexpr ((rule::is_source_or_node<Declarations, is_declaration<Declarations>>::holds && ... &&
                   true)) {
      if constexpr (rule::has_nodes<System, (is_node<Declarations> || ...)>::holds &&
                    (rule::name_is_plain<typename Declarations::name,
                                         plain_name<typename Declarations::name>()>::holds &&
                     ... && true)) {
        return names_differ<Declarations...>();
      }
    }
    return false;
  }

  /// Every rule, the later ones only where the earlier ones hold, so that one mistake gives one message.
  template <class System, class Models>
  static constexpr bool hold() {
    if constexpr (names_hold<System>()) {
      if constexpr ((of<Declarations>::edges_hold && ...)) {
        return (of<Declarations>::values_fit() && ...) && tags_have_one_model(Models{});
      }
    }
    return false;
  }
};

}  // namespace detail

}  // namespace sysdpo
