// Hashes of data: two data sets with equal hashes hold, for all practical purposes, the same values.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "sysdpo/core/hash.hpp"
#include "sysdpo/graph/preference.hpp"

namespace sysdpo {

/// Adds a node's value to a hash: numbers, images, and ranges of such, each with its length. Of a value type
/// of one's own that is none of these nothing is added.
template <class Value>
void add_value(fnv1a& hash, Value const& value) {
  if constexpr (std::is_arithmetic_v<Value>) {
    hash.add(std::as_bytes(std::span(&value, 1)));
  } else if constexpr (requires { value.values(); }) {
    add_value(hash, value.values());
  } else if constexpr (requires {
                         value.size();
                         value.begin();
                       }) {
    add_value(hash, static_cast<std::uint64_t>(value.size()));
    for (auto const& element : value) add_value(hash, element);
  }
}

/// Adds what a pair says: its weight, and the values of all sources and nodes on either side. Not its id.
template <class System>
void add_pair(fnv1a& hash, preference<System> const& pair) {
  add_value(hash, pair.weight);
  for (auto const* side : {&pair.chosen, &pair.rejected}) {
    for_each_source<System>(
        [&](auto tag) { add_value(hash, get<typename decltype(tag)::source::name>(*side)); });
    for_each_node<System>([&](auto tag) { add_value(hash, get<typename decltype(tag)::node::name>(*side)); });
  }
}

/// The hash of what a pair says (`add_pair`).
template <class System>
[[nodiscard]] fnv1a hash_of(preference<System> const& pair) {
  fnv1a hash;
  add_pair(hash, pair);
  return hash;
}

}  // namespace sysdpo
