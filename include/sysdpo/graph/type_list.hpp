// Lists of types: the little that the graph needs, and nothing else. Everything here is compile-time only.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace sysdpo {

/// An ordered list of types.
template <class... Types>
struct type_list {
  static constexpr std::size_t size = sizeof...(Types);

  /// The type at `Index`, which must be less than `size`.
  template <std::size_t Index>
  using at = std::tuple_element_t<Index, std::tuple<Types...>>;

  template <class Type>
  static constexpr bool contains = (std::is_same_v<Type, Types> || ...);

  /// Index of the first `Type`; `size` where there is none.
  template <class Type>
  static constexpr std::size_t index_of = [] {
    std::size_t index = 0;
    (void)((std::is_same_v<Type, Types> || (++index, false)) || ...);
    return index;
  }();
};

namespace detail {

template <class... Lists>
struct concatenated {
  using type = type_list<>;
};

template <class... Types>
struct concatenated<type_list<Types...>> {
  using type = type_list<Types...>;
};

template <class... Left, class... Right, class... Rest>
struct concatenated<type_list<Left...>, type_list<Right...>, Rest...>
    : concatenated<type_list<Left..., Right...>, Rest...> {};

template <class Kept, class... Types>
struct distinct {
  using type = Kept;
};

template <class... Kept, class First, class... Rest>
struct distinct<type_list<Kept...>, First, Rest...>
    : distinct<std::conditional_t<type_list<Kept...>::template contains<First>, type_list<Kept...>,
                                  type_list<Kept..., First>>,
               Rest...> {};

}  // namespace detail

/// The types of all `Lists`, in order.
template <class... Lists>
using concatenate = typename detail::concatenated<Lists...>::type;

/// `Types` without repetitions, in order of first appearance.
template <class... Types>
using distinct_types = typename detail::distinct<type_list<>, Types...>::type;

}  // namespace sysdpo
