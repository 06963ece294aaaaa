// log p(target) from logits: y[n] = logits[n, targets[n]] − log Σ exp(logits[n, :]).
//
// Logits are the largest array of a language model's step, and their gradient is as large. Backward therefore
// overwrites the logits with it wherever nobody can notice; no other array of that size is made, forward or
// backward.
#pragma once

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct log_softmax_gather_op;

/// Where backward puts the gradient of the logits.
enum class logits_memory {
  reuse_if_free,  ///< over the logits, if nothing else holds them by then; else into memory of its own
  consume         ///< over the logits, always: backward refuses if anything else holds them by then
};

/// What a sweep over logits tells beside the log-probabilities, for nothing: each [N].
template <class Backend, class T>
struct word_statistics {
  tensor<Backend, widened<T>> entropies{};  ///< −Σ p log p of each row, in nats
  tensor<Backend, std::int32_t> tops{};     ///< the most probable word, the first of several
};

/// logits [N, V], targets [N] → [N]; `statistics`, where it is given, gets what it holds. Hand the logits
/// over (std::move, or a call that returns them): a copy kept outside, an op that was recorded before and
/// keeps them for its own backward pass, and the weight that they are, all hold them. A second contribution
/// to their gradient is added as to any other. \throws error if a target lies outside [0, V), naming its
/// position; under `consume`, from backward, if the logits are still held.
template <class Backend, class T>
[[nodiscard]] variable<Backend, widened<T>> log_softmax_gather(
    tape<Backend, T>& tape, variable<Backend, T> logits, tensor<Backend, std::int32_t> const& targets,
    logits_memory memory = logits_memory::reuse_if_free, word_statistics<Backend, T>* statistics = nullptr) {
  if (logits.extents().rank() != 2 || logits.extent(0) != targets.size())
    fail({"log_softmax_gather",
          "logits " + to_string(logits.extents()) + ", targets " + to_string(targets.extents()),
          "the shapes do not fit", "Give logits [N, vocabulary] and N targets"});
  check_ids("log_softmax_gather", "vocabulary", targets, logits.extent(1));
  tensor<Backend, widened<T>> y({targets.size()});
  tensor<Backend, widened<T>> log_sums({targets.size()});
  array_view<widened<T>> entropies;
  array_view<std::int32_t> tops;
  if (statistics != nullptr) {
    entropies = (statistics->entropies = tensor<Backend, widened<T>>({targets.size()})).view();
    tops = (statistics->tops = tensor<Backend, std::int32_t>({targets.size()})).view();
  }
  implement<log_softmax_gather_op, Backend>::forward(logits.view(), targets.const_view(), y.view(),
                                                     log_sums.view(), entropies, tops);
  gradient_of const dlogits(logits);
  return tape.record(
      std::move(y), {dlogits},
      [dlogits, logits = std::move(logits).value(), targets, log_sums,
       memory](array_view<widened<T> const> dy) {
        auto const is_free = logits.is_sole_owner();
        if (memory == logits_memory::consume && !is_free)
          fail({"log_softmax_gather", "logits " + to_string(logits.extents()),
                "they were to be consumed, but something else still holds their values",
                "Move them into the call and keep no copy, or leave out logits_memory::consume"});
        implement<log_softmax_gather_op, Backend>::backward(
            logits.const_view(), targets.const_view(), log_sums.const_view(), dy,
            is_free ? dlogits.sink_in(logits) : dlogits.sink());
      });
}

}  // namespace sysdpo
