// On-policy rounds: generate with the current system, rank, align, and again. Fresh pairs differ by what the
// system still does wrong, not by what the rounds before have mended.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

#include "sysdpo/graph/preference.hpp"
#include "sysdpo/train/system_folder.hpp"

namespace sysdpo {

/// What a round's log-ratios are taken against.
enum class round_reference {
  start_of_round,  ///< the policy as the round found it
  original         ///< the policy as the first round found it
};

/// How many rounds, against what, kept where.
struct rounds_options {
  int rounds = 2;
  round_reference reference = round_reference::start_of_round;
  std::filesystem::path
      folder{};  ///< keeps the system after each round, so that a rerun goes on; empty: none
};

/// The folder of the system after a round, counted from 0: "<folder>/round-1" for round 0.
[[nodiscard]] inline std::filesystem::path round_folder(std::filesystem::path const& folder, int round) {
  return folder / fmt::format("round-{}", round + 1);
}

/// For every round:
///   collect(policy, round) → std::vector<preference<System>>
///   train(policy, reference, pairs, round)   aligns `policy`, most often with a `trainer`
/// Rounds that `folder` holds are loaded instead of run; for a run that was interrupted to end as if it had
/// not been, both functions must depend on their arguments alone. \throws error if a round collects nothing.
template <class System, class Backend, class Precision, class Collect, class Train>
void run_rounds(models<System, Backend, Precision>& policy, rounds_options const& options, Collect&& collect,
                Train&& train) {
  auto const original = policy;
  for (int round = 0; round < options.rounds; ++round) {
    auto const saved = round_folder(options.folder, round);
    if (!options.folder.empty() && std::filesystem::exists(saved / "system.json")) {
      load_system(saved, policy);
      continue;
    }
    std::vector<preference<System>> const pairs = std::invoke(collect, policy, round);
    if (pairs.empty())
      fail({"rounds", fmt::format("round {} of {}", round + 1, options.rounds), "no pairs were collected",
            "Generate more sequences, or rank them by a score that tells them apart"});
    auto reference = options.reference == round_reference::original ? original : std::as_const(policy);
    std::invoke(train, policy, reference, std::as_const(pairs), round);
    if (!options.folder.empty()) save_system(saved, policy);
  }
}

}  // namespace sysdpo
