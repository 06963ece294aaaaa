// log p(target) from logits: y[n] = logits[n, targets[n]] − log Σ exp(logits[n, :]).
#pragma once

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct log_softmax_gather_op;

/// logits [N, V], targets [N] → [N]. Backward makes the gradient of the logits in one sweep, with no other
/// array of their size. \throws error if a target lies outside [0, V), naming its position.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> log_softmax_gather(tape<Backend, T>& tape,
                                                      variable<Backend, T> const& logits,
                                                      tensor<Backend, std::int32_t> const& targets) {
  if (logits.extents().rank() != 2 || logits.extent(0) != targets.size())
    fail({"log_softmax_gather",
          "logits " + to_string(logits.extents()) + ", targets " + to_string(targets.extents()),
          "the shapes do not fit", "Give logits [N, vocabulary] and N targets"});
  check_ids("log_softmax_gather", "vocabulary", targets, logits.extent(1));
  tensor<Backend, T> y({targets.size()});
  tensor<Backend, T> log_sums({targets.size()});
  implement<log_softmax_gather_op, Backend>::forward(logits.view(), targets.const_view(), y.view(),
                                                     log_sums.view());
  return tape.record(
      std::move(y), {logits},
      [logits = logits.value(), targets, log_sums, dlogits = gradient_of(logits)](array_view<T const> dy) {
        implement<log_softmax_gather_op, Backend>::backward(logits.const_view(), targets.const_view(),
                                                            log_sums.const_view(), dy, dlogits.sink());
      });
}

}  // namespace sysdpo
