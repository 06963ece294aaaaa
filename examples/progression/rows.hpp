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

inline bool is_trained(std::string_view row) {
  return std::find(trained_rows.begin(), trained_rows.end(), row) != trained_rows.end();
}

/// Three recipes for every trained row.
inline std::vector<recipe> grid_of(std::string_view row) {
  if (row == "language_model_only")
    return {{.author_rate = 1e-3}, {.author_rate = 5e-4}, {.author_rate = 2e-3}};
  if (row == "diffusion_only")
    return {{.painter_rate = 2e-3, .painter_rejected = 0.5},
            {.painter_rate = 1e-3, .painter_rejected = 0.8},
            {.painter_rate = 1e-3, .painter_rejected = 0.5}};
  if (row == "sft_on_winners") {
    recipe const how{.author_rate = 1e-3,
                     .painter_rate = 1e-3,
                     .author_rejected = 0,
                     .painter_rejected = 0,
                     .winners_only = true};
    auto slower = how, faster = how;
    slower.painter_rate = 5e-4;
    faster.painter_rate = 2e-3;
    return {how, slower, faster};
  }
  recipe how{.author_rate = 1e-3, .painter_rate = 2e-3, .painter_from_round = 1, .painter_rejected = 0.5};
  if (row == "sysdpo_offline") {
    how.painter_from_round = 0;
    how.offline = true;
  }
  auto slower_author = how, slower_painter = how;
  slower_author.author_rate = 5e-4;
  slower_painter.painter_rate = 1e-3;
  return {how, slower_author, slower_painter};
}

}  // namespace progression
