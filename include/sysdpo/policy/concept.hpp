// What a policy is: how a node's value is scored and drawn, given a model that it does not own.
//
// A policy is a type without state. It names
//   value       the value type of its node                                   (graph/value.hpp)
//   model       the description of the model it reads, or no_model
//   loss_is     loss_kind::exact if it scores log p, surrogate if it scores a bound
//   options     an aggregate of its run-time settings
// and provides, as static functions,
//   log_prob(tape, model, options, rows) → variable [rows]                        exact policies
// or, where the log-ratio to the reference needs both models at once (denoising),
//   reference(model, options, rows) → anything                       what the frozen model contributes; no
//   gradient log_ratio(tape, model, reference, options, rows) → variable [rows]
// and, if the system is to generate,
//   sample(model, options, requests) → drawn<value>
// A policy whose value follows from its parents (a tool) declares `static constexpr bool scored = false` and
// provides only `sample`. A policy with model = no_model is handed a no_model.
//
// `rows` is std::span<scored_row<value, Parents...> const>, Parents being the value types of the node's
// parents: take it as `auto`, or spell the parents to accept only these. Rows are scored independently of
// each other.
#pragma once

#include <concepts>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/graph/node.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

/// One value to be scored given its parents. The pointers outlive the call. `key` names the row's random
/// draws: the same for policy and reference, and for the two sides of a pair; policies that want different
/// draws a side mix `side` in.
template <class Value, class... Parents>
struct scored_row {
  typename Value::type const* value = nullptr;
  std::tuple<typename Parents::type const*...> parents{};
  draw_key key{};
  int side = 0;  ///< 0 chosen, 1 rejected
};

/// One value to be drawn given its parents.
template <class... Parents>
struct drawn_request {
  std::tuple<typename Parents::type const*...> parents{};
  draw_key key{};
};

/// Drawn values; `valid[i]` is false where the model's output was no value of the type (a list with too few
/// elements …) even after every retry. `retries` counts the outputs that were thrown away.
template <class Value>
struct drawn {
  std::vector<typename Value::type> values;
  std::vector<bool> valid;
  index_t retries = 0;
};

/// The policy has run-time settings.
template <class Policy>
concept has_options = requires { typename Policy::options; };

namespace detail {
struct no_options {};

template <class Policy>
struct options_trait {
  using type = no_options;
};
template <has_options Policy>
struct options_trait<Policy> {
  using type = typename Policy::options;
};
}  // namespace detail

/// A policy's `options`, or an empty struct.
template <class Policy>
using options_of = typename detail::options_trait<Policy>::type;

/// `Policy` scores exact log-probabilities of rows under `Model` on `tape`.
template <class Policy, class Model, class Tape, class Rows>
concept scores_log_prob = requires(Tape& tape, Model& model, options_of<Policy> const& options,
                                   Rows const& rows) { Policy::log_prob(tape, model, options, rows); };

/// `Policy` forms the log-ratio to the reference itself.
template <class Policy, class Model, class Tape, class Rows>
concept scores_log_ratio =
    requires(Tape& tape, Model& model, options_of<Policy> const& options, Rows const& rows) {
      Policy::log_ratio(tape, model, Policy::reference(model, options, rows), options, rows);
    };

/// Whether nodes of this policy take part in the likelihood: false for tools, whose value follows from their
/// parents.
template <class Policy>
inline constexpr bool is_scored = [] {
  if constexpr (requires { Policy::scored; })
    return static_cast<bool>(Policy::scored);
  else
    return true;
}();

}  // namespace sysdpo
