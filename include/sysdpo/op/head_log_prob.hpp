// The output head and the log-probability of given tokens in one: y[n] = log
// softmax(head·hidden[n])[targets[n]]. The logits of the whole batch never exist: they are made a chunk at a
// time, forward and again backward.
#pragma once

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct head_log_prob_op;

/// hidden [N, D], head [V, D], targets [N] → [N]. Exact; upstream gradients are per token.
/// \throws error if the shapes do not fit or a target lies outside [0, V), naming its position.
template <class Backend, class T>
[[nodiscard]] variable<Backend, widened<T>> head_log_prob(tape<Backend, T>& tape,
                                                          variable<Backend, T> const& hidden,
                                                          variable<Backend, T> const& head,
                                                          tensor<Backend, std::int32_t> const& targets) {
  if (hidden.extents().rank() != 2 || head.extents().rank() != 2 || hidden.extent(1) != head.extent(1) ||
      hidden.extent(0) != targets.size())
    fail({"head_log_prob",
          "hidden " + to_string(hidden.extents()) + ", head " + to_string(head.extents()) + ", targets " +
              to_string(targets.extents()),
          "the shapes do not fit", "Give hidden [N, D], head [vocabulary, D] and N targets"});
  check_ids("head_log_prob", "vocabulary", targets, head.extent(0));
  tensor<Backend, widened<T>> y({targets.size()});
  tensor<Backend, widened<T>> log_sums({targets.size()});
  implement<head_log_prob_op, Backend>::forward(hidden.view(), head.view(), targets.const_view(), y.view(),
                                                log_sums.view());
  return tape.record(
      std::move(y), {hidden, head},
      [hidden = hidden.value(), head = head.value(), targets, log_sums, dhidden = gradient_of(hidden),
       dhead = gradient_of(head)](array_view<widened<T> const> dy) {
        implement<head_log_prob_op, Backend>::backward(hidden.const_view(), head.const_view(),
                                                       targets.const_view(), log_sums.const_view(), dy,
                                                       dhidden.sink(), dhead.sink());
      });
}

}  // namespace sysdpo
