// What takes the memory of a training that ran out of it, and what would bring it down.
//
// The trainer by itself names the options that are still off. An explanation with figures runs `estimate`,
// whose trainer on `planned` has to be compiled: some seconds for those who ask for it, none for others.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sysdpo/loss/reference_scores.hpp"
#include "sysdpo/train/estimate.hpp"

namespace sysdpo {

namespace detail {

/// The estimate of a step of `training` on `batch`, and that of each option which is still off and would
/// lower the peak.
template <class System, class Backend, class Precision, preference_link Link>
std::string memory_report(trainer<System, Backend, Precision, Link> const& training,
                          std::vector<preference<System>> batch) {
  using options_type = trainer_options<System, Link>;
  auto const& policy = training.policy();
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i].id = i;  // a batch may hold a pair twice
  auto options = training.options();
  reference_scores<System> const scores(batch, std::max(options.noise_visits, std::uint32_t{1}));
  if (options.loss.cached != nullptr) options.loss.cached = &scores;
  auto const estimated = [&](options_type const& chosen) {
    return estimate<Precision, Backend>(policy.configs(), training.policies(), batch, chosen,
                                        [&](auto& made) { made.take_over_switches(policy); });
  };
  auto const mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  auto const told = estimated(options);
  auto text = told.text();

  std::string savings;
  auto all = options;
  auto changes = 0;
  auto const offer = [&](std::string const& name, auto&& change) {
    auto changed = options;
    change(changed);
    auto const peak = estimated(changed).peak;
    if (peak >= told.peak) return;
    savings += fmt::format("{:<32} {:>10.1f}\n", name, mib(peak));
    change(all);
    ++changes;
  };
  auto const& loss = options.loss;
  auto const rows = loss.two_pass && loss.rows_per_piece > 0 ? loss.rows_per_piece : 2 * std::ssize(batch);
  auto const fewer = std::max<index_t>(rows / 4, 1);
  if (!loss.two_pass || fewer < rows)
    offer(fmt::format("two_pass, rows_per_piece = {}", fewer), [&](options_type& o) {
      o.loss.two_pass = true;
      o.loss.rows_per_piece = fewer;
    });
  offer("checkpoint_activations", [](options_type& o) { o.checkpoint_activations.values.fill(true); });
  if (loss.cached == nullptr)
    offer("cached reference scores", [&](options_type& o) {
      o.loss.cached = &scores;
      o.draw_noise_every = 0;  // which the cache rules out
    });
  if (changes > 1) savings += fmt::format("{:<32} {:>10.1f}\n", "all of these", mib(estimated(all).peak));
  if (changes == 0) return text + "Nothing that is still off would lower the peak";
  return text + fmt::format("{:<32} {:>10}\n{}", "still off (MiB)", "peak", savings) +
         "Each peak is that of a step with nothing else changed";
}

}  // namespace detail

/// Has a step of `training` that finds no memory say in its error how much each model and each group of nodes
/// holds, and the peak that each option which is still off would bring.
template <class System, class Backend, class Precision, preference_link Link>
void explain_out_of_memory(trainer<System, Backend, Precision, Link>& training) {
  using trainer_type = trainer<System, Backend, Precision, Link>;
  training.explain_memory(
      [](trainer_type const& of, error_parts refused, std::vector<preference<System>> const& batch) {
        refused.remedy =
            "Use smaller batches, in more batches_per_step, or what would help of the below. By estimate a "
            "step takes\n" +
            detail::memory_report(of, batch);
        return refused;
      });
}

}  // namespace sysdpo
