// A tool: its value is a function of its parents. It has no model, contributes nothing to the likelihood
// ratio and is never scored; sampling calls it.
#pragma once

#include <tuple>

#include "sysdpo/policy/concept.hpp"

namespace sysdpo {

/// `Function` is default-constructible and callable with the parents' values; it returns the node's value.
/// Data whose value differs from the function's has probability zero under the system: the trainer refuses
/// it.
template <class Function, value_type Value>
struct deterministic {
  using value = Value;
  using model = no_model;
  static constexpr loss_kind loss_is = loss_kind::exact;
  static constexpr auto kind = "deterministic";
  static constexpr bool scored = false;

  /// Whether `recorded` is what the tool returns for `parents`.
  template <class... Parents>
  static bool follows(typename Value::type const& recorded, std::tuple<Parents const&...> const& parents) {
    return std::apply([](auto const&... parent) { return Function{}(parent...); }, parents) == recorded;
  }

  /// The value for each request.
  template <class... Parents>
  static drawn<Value> sample(no_model const&, detail::no_options const&,
                             std::span<drawn_request<Parents...> const> requests) {
    drawn<Value> result;
    for (auto const& request : requests) {
      result.values.push_back(
          std::apply([](auto const*... parent) { return Function{}(*parent...); }, request.parents));
      result.valid.push_back(true);
    }
    return result;
  }
};

}  // namespace sysdpo
