// The rows of the results table, and the recipes by which those that are trained may be trained. Tuning
// takes a row's best recipe on validation prompts; without tuning the first counts, which an earlier tuning
// chose.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "align.hpp"

namespace progression {

/// In the table's order; report_text.hpp says what each is.
inline constexpr std::array<char const*, 9> row_names{
    "before",         "best_of_4",     "caption_oracle", "sft_on_winners", "language_model_only",
    "diffusion_only", "per_component", "sysdpo_offline", "sysdpo"};

inline constexpr std::array<char const*, 5> trained_rows{"language_model_only", "diffusion_only", "sysdpo",
                                                         "sysdpo_offline", "sft_on_winners"};

/// Who is asked in held-out phrasings too.
inline constexpr std::array<char const*, 3> phrasing_rows{"before", "language_model_only", "sysdpo"};

inline bool is_trained(std::string_view row) {
  return std::find(trained_rows.begin(), trained_rows.end(), row) != trained_rows.end();
}

/// Three recipes for every trained row: the same rates everywhere, half and twice of them.
inline std::vector<recipe> grid_of(std::string_view row) {
  recipe how{.author_rate = 1e-3,
             .painter_rate = 5e-4,
             .painter_scale = 0.2,
             .painter_from_round = row == "sysdpo_offline" ? 0 : 2,
             .painter_rejected = 0.8};
  if (row == "language_model_only") how = {.author_rate = how.author_rate};
  if (row == "diffusion_only") how.author_rate = 0;
  if (row == "sysdpo_offline") how.offline = true;
  if (row == "sft_on_winners") {
    how.winners_only = true;
    how.author_rejected = how.painter_rejected = 0;
  }
  auto slower = how, faster = how;
  for (auto const rate : {&recipe::author_rate, &recipe::painter_rate}) {
    slower.*rate /= 2;
    faster.*rate *= 2;
  }
  return {how, slower, faster};
}

}  // namespace progression
