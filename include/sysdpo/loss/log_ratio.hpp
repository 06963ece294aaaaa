// Policy against reference at one node: log p_θ(v | pa) − log p_θ̄(v | pa) for every row. The frozen side is
// computed apart, without a tape, so that it can be kept between the two passes or cached over visits.
#pragma once

#include <span>
#include <utility>

#include "sysdpo/policy/concept.hpp"

namespace sysdpo {

struct add_op;
struct subtract_op;

/// What the reference contributes to the log-ratios of `rows`: the policy's own record if it has one, else
/// log p, [rows].
template <class Policy, class Backend, class T, class Model, class Row>
[[nodiscard]] auto reference_record(Model& reference, options_of<Policy> const& options,
                                    std::span<Row const> rows) {
  if constexpr (scores_log_ratio<Policy, Model, tape<Backend, T>, std::span<Row const>>) {
    return Policy::reference(reference, options, rows);
  } else {
    static_assert(
        scores_log_prob<Policy, Model, tape<Backend, T>, std::span<Row const>>,
        "sysdpo policy: a scored policy provides log_prob(tape, model, options, rows), or reference(...) and "
        "log_ratio(...); see policy/concept.hpp");
    tape<Backend, T> scratch(recording::off);
    return Policy::log_prob(scratch, reference, options, rows).value();
  }
}

/// `score` minus what is kept of the reference, [rows]. The gradient goes to `score`.
template <class Backend, class T, class U>
[[nodiscard]] variable<Backend, U> minus_reference(tape<Backend, T>& tape, variable<Backend, U> const& score,
                                                   tensor<Backend, U> const& reference) {
  tensor<Backend, U> ratio(score.extents());
  implement<subtract_op, Backend>::forward(score.view(), reference.const_view(), ratio.view());
  return tape.record(std::move(ratio), {score}, [d = gradient_of(score)](array_view<U const> upstream) {
    implement<add_op, Backend>::backward(upstream, d.sink());
  });
}

/// What one model scores, [rows]: log p, or the policy's own score.
template <class Policy, class Backend, class T, class Model, class Row>
[[nodiscard]] variable<Backend, widened<T>> score(tape<Backend, T>& tape, Model& model,
                                                  options_of<Policy> const& options,
                                                  std::span<Row const> rows) {
  if constexpr (scores_log_prob<Policy, Model, sysdpo::tape<Backend, T>, std::span<Row const>>)
    return Policy::log_prob(tape, model, options, rows);
  else
    return Policy::score(tape, model, options, rows);
}

/// The log-ratios of `rows`, [rows]; differentiable in the policy's weights.
template <class Policy, class Backend, class T, class Model, class Record, class Row>
[[nodiscard]] variable<Backend, widened<T>> log_ratio(tape<Backend, T>& tape, Model& policy,
                                                      Record const& record, options_of<Policy> const& options,
                                                      std::span<Row const> rows) {
  if constexpr (scores_log_ratio<Policy, Model, sysdpo::tape<Backend, T>, std::span<Row const>>) {
    return Policy::log_ratio(tape, policy, record, options, rows);
  } else {
    return minus_reference(tape, Policy::log_prob(tape, policy, options, rows), record);
  }
}

}  // namespace sysdpo
