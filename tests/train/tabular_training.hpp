// A small training that finishes in milliseconds, for what surrounds training.
#pragma once

#include "support/tabular_systems.hpp"
#include "sysdpo/train/trainer.hpp"
#include "train/observe.hpp"

namespace test {

using tabular_trainer = sysdpo::trainer<skip_system, sysdpo::cpu, double_precision>;
using tabular_options = tabular_trainer::options_type;

/// Every pair of outcomes with different sums of the two categories; the higher sum is chosen.
inline std::vector<sysdpo::preference<skip_system>> ranked_pairs() {
  std::vector<sysdpo::preference<skip_system>> pairs;
  for (int a = 0; a < 9; ++a)
    for (int b = 0; b < 9; ++b)
      if (a / 3 + a % 3 > b / 3 + b % 3)
        pairs.push_back({.id = pairs.size(),
                         .chosen = outcome<skip_system>(a / 3, a % 3),
                         .rejected = outcome<skip_system>(b / 3, b % 3)});
  return pairs;
}

inline tabular_options some_training() {
  return {.loss = {.beta = 0.5},
          .steps = 24,
          .pairs_per_batch = 5,
          .batches_per_step = 2,
          .rates = sysdpo::model_numbers<skip_system>::all(0.05),
          .schedule = {.warmup_steps = 3, .shape = sysdpo::decay::cosine}};
}

}  // namespace test
