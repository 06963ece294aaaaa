// What a policy is: how a node's value is scored and drawn, given a model that it does not own.
//
// A policy is a type without state. It names
//   value       the value type of its node                                   (graph/value.hpp)
//   model       the description of the model it reads, or no_model
//   loss_is     loss_kind::exact if it scores log p, surrogate if it scores a bound
//   options     an aggregate of its run-time settings
// and provides, as static functions,
//   log_prob(tape, model, options, rows) → variable [rows]             exact policies
// or, where the log-ratio to the reference needs both models at once (denoising),
//   reference(model, options, rows) → anything                         what the frozen model contributes
//   log_ratio(tape, model, reference, options, rows) → variable [rows]
// and, if references are to be cached (train/reference_cache.hpp),
//   score(tape, model, options, rows) → variable [rows]                log_ratio = score(policy) −
//                                                                      score(reference) up to rounding
// where exact policies need none, their score being log_prob; and, if the system is to generate,
//   sample(model, options, requests) → drawn<value>
//
// `static std::string settings(options)` names the options that scores depend on; with it caches and
// checkpoints notice that they were changed. A policy whose value follows from its parents (a tool) declares
// `static constexpr bool scored = false` and provides only `sample`. A policy with model = no_model is handed
// a no_model.
//
// `rows` is std::span<scored_row<value, Parents...> const>, Parents being the value types of the node's
// parents: take it as `auto`, or spell the parents to accept only these. Rows are scored independently of
// each other.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/graph/node.hpp"
#include "sysdpo/graph/type_list.hpp"
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

namespace detail {
template <class Value, class Parents>
struct exchanged_with;
template <class Value, class... Parents>
struct exchanged_with<Value, type_list<Parents...>> {
  using row = scored_row<Value, Parents...>;
  using request = drawn_request<Parents...>;
};
template <class System, class Node>
using exchanged_at =
    exchanged_with<typename Node::value, typename System::template parent_values_of<typename Node::name>>;
}  // namespace detail

/// What a node of a system hands to its policy: rows to be scored, and requests to be drawn.
template <class System, class Node>
using row_of = typename detail::exchanged_at<System, Node>::row;
/// The same for a value to be drawn.
template <class System, class Node>
using request_of = typename detail::exchanged_at<System, Node>::request;

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

/// `Policy` gives a score of one model by itself, log p or otherwise.
template <class Policy, class Model, class Tape, class Rows>
concept scores_alone = scores_log_prob<Policy, Model, Tape, Rows> ||
                       requires(Tape& tape, Model& model, options_of<Policy> const& options,
                                Rows const& rows) { Policy::score(tape, model, options, rows); };

/// The options that a policy's scores depend on, in words; empty if it does not tell.
template <class Policy>
[[nodiscard]] std::string settings_of(options_of<Policy> const& options) {
  if constexpr (requires { Policy::settings(options); })
    return Policy::settings(options);
  else
    return {};
}

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
