// Everything that shapes a run's result, in its three sizes.
#pragma once

#include <fmt/format.h>

#include <string>
#include <sysdpo.hpp>

#include "align.hpp"
#include "pretrain.hpp"

namespace progression {

struct experiment_settings {
  pretraining regressor_training{.steps = 2500, .batch = 64, .rate = 2e-3};
  pretraining author_training{.steps = 2000, .batch = 32, .rate = 2e-3};
  pretraining painter_training{.steps = 4000, .batch = 32, .rate = 3e-3};
  float p_order = 0.35F;  ///< share of the author's corpus in the order that was asked for
  float rho = 0.40F;      ///< share of the painter's corpus that does not show what its caption names
  alignment_budget budget{};
  int seeds = 3;
  int test_prompts = 300;
  int phrasing_prompts = 100;  ///< of the held-out phrasings
  int validation_prompts = 200;
  int sampling_steps = 3;
  bool tune = false;  ///< else every row takes the first recipe of its grid, which an earlier tuning chose
  int workers = sysdpo::cpu_threads();

  [[nodiscard]] std::string pretraining_text() const {
    auto const text = [](pretraining const& p) {
      return fmt::format("{}x{}@{:g}", p.steps, p.batch, p.rate);
    };
    return fmt::format("regressor {} author {} painter {} p_order {} rho {}", text(regressor_training),
                       text(author_training), text(painter_training), p_order, rho);
  }
  [[nodiscard]] std::string alignment_text() const {
    return fmt::format(
        "{} rounds {} prompts {} candidates {} kept {:g} steps {} batch {} beta {:g} sampling {}",
        pretraining_text(), budget.rounds, budget.prompts, budget.candidates, budget.kept, budget.steps,
        budget.batch, budget.beta, sampling_steps);
  }
};

/// A small version of everything, for a first look and for CI: at most two minutes on two cores.
inline experiment_settings quick_settings() {
  experiment_settings settings;
  settings.regressor_training.steps = 300;
  settings.author_training.steps = 300;
  settings.painter_training.steps = 250;
  settings.budget = {.rounds = 3, .prompts = 24, .candidates = 4, .kept = 1, .steps = 15, .batch = 8};
  settings.seeds = 1;
  settings.test_prompts = 24;
  settings.phrasing_prompts = 12;
  return settings;
}

/// The poster's number of pairs, 6,000 a row, and every held-out prompt; hours.
inline experiment_settings full_settings() {
  experiment_settings settings;
  settings.painter_training.steps = 12'000;
  settings.budget.rounds = 6;
  settings.budget.prompts = 2000;
  settings.budget.steps = 400;
  settings.seeds = 5;
  settings.test_prompts = 1000;
  settings.phrasing_prompts = 1000;
  settings.validation_prompts = 1000;
  return settings;
}

}  // namespace progression
