// log p(target) from logits by kernels: one sweep forward, one backward.
#pragma once

#include <type_traits>

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/log_softmax_gather.hpp"

namespace sysdpo {

struct log_softmax_gather_op;

template <kernel_backend Backend>
struct implement<log_softmax_gather_op, Backend> {
  template <class T>
  static void forward(array_view<T const> logits, array_view<std::int32_t const> targets, array_view<float> y,
                      array_view<float> log_sums, array_view<float> entropies = {},
                      array_view<std::int32_t> tops = {}) {
    auto const sweep = [&](auto threads, auto with_statistics) {
      Backend::template launch<kernel::log_softmax_gather<T, threads.value, with_statistics.value>>(
          {.logits = logits.data,
           .targets = targets.data,
           .rows = targets.size(),
           .vocabulary = device_detail::narrow("log_softmax_gather", logits.extents[1]),
           .log_probs = y.data,
           .log_sums = log_sums.data,
           .entropies = entropies.data,
           .tops = tops.data});
    };
    device_detail::with_row_threads(logits.extents[1], [&](auto threads) {
      if (entropies || tops)
        sweep(threads, std::true_type{});
      else
        sweep(threads, std::false_type{});
    });
  }

  /// dlogits[n] = dy[n]·(onehot(target) − softmax). May overwrite the logits.
  template <class T>
  static void backward(array_view<T const> logits, array_view<std::int32_t const> targets,
                       array_view<float const> log_sums, array_view<float const> dy,
                       gradient_view<T> dlogits) {
    if (!dlogits) return;
    device_detail::with_row_threads(logits.extents[1], [&](auto threads) {
      Backend::template launch<kernel::log_softmax_gather_backward<T, threads.value>>(
          {.logits = logits.data,
           .targets = targets.data,
           .log_sums = log_sums.data,
           .dy = dy.data,
           .offsets = nullptr,
           .sequences = 0,
           .rows = targets.size(),
           .vocabulary = device_detail::narrow("log_softmax_gather", logits.extents[1]),
           .parts = device_detail::parts_of<Backend>(targets.size(), logits.extents[1] / 4096),
           .dlogits = dlogits.data,
           .accumulate = dlogits.accumulate});
    });
  }
};

}  // namespace sysdpo
