// Learning-rate schedules: a factor in [0, 1] for every step, linear warm-up and then a decay.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

/// How the learning rate falls after the warm-up.
enum class decay { constant, linear, cosine };

/// Warm-up, then decay.
struct learning_rate_schedule {
  index_t warmup_steps = 0;
  decay shape = decay::constant;
  double final_factor = 0;  ///< where linear and cosine decay end

  /// The factor of step `step` (from 0) of `steps`. Step 0 of a warm-up over n steps has 1/n, step n − 1
  /// has 1.
  [[nodiscard]] double factor(index_t step, index_t steps) const {
    if (step < warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    if (shape == decay::constant || steps <= warmup_steps) return 1;
    auto const progress =
        std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(steps - warmup_steps));
    auto const falling =
        shape == decay::linear ? 1 - progress : (1 + std::cos(std::numbers::pi * progress)) / 2;
    return final_factor + (1 - final_factor) * falling;
  }
};

}  // namespace sysdpo
