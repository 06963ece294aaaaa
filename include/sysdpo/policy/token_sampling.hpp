// Sampling of token sequences from a language model with a key-value cache.
//
// The model is anything that provides
//   backend_type
//   make_cache(rows) → cache                   for sequences that hold nothing yet
//   extend(cache, packed_tokens) → [rows, V]   appends sequence i to row i and gives the logits of each
//                                              row's last token; a row may be given no token
//
// A row's tokens follow from its prompt, its key and the options alone, whatever else is in the batch (up to
// the rounding of the model's products).
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "sysdpo/core/philox.hpp"
#include "sysdpo/tensor/packed.hpp"

namespace sysdpo {

/// How a token is chosen from logits: scaled by 1 / temperature, cut to the `top_k` most probable, cut again
/// to the fewest most probable that hold `top_p` of what is left, then drawn.
struct token_sampling {
  double temperature = 1;
  int top_k = 0;     ///< 0: all
  double top_p = 1;  ///< in (0, 1]; 1: all
  bool greedy =
      false;  ///< the most probable token, always; temperature, top_k and top_p are then of no account
  index_t max_new_tokens = 64;
};

/// A continuation without its prompt. Ends with the end token if `ended`, else it was cut at max_new_tokens.
struct sampled_tokens {
  std::vector<std::int32_t> tokens;
  bool ended = false;
};

/// \throws error that names the first option out of range.
inline void validate(token_sampling const& options) {
  setting_check const require{.thing = "token sampling", .remedy = "Correct the option"};
  require(options.temperature > 0 && std::isfinite(options.temperature), "temperature", options.temperature,
          "it must be positive; `greedy` chooses the most probable token");
  require(options.top_k >= 0, "top_k", options.top_k, "it must not be negative");
  require(options.top_p > 0 && options.top_p <= 1, "top_p", options.top_p, "it must lie in (0, 1]");
  require(options.max_new_tokens >= 0, "max_new_tokens", options.max_new_tokens, "it must not be negative");
}

/// Chooses tokens from logits; keeps its working memory from call to call.
class token_chooser {
 public:
  /// \throws error if an option is out of range.
  explicit token_chooser(token_sampling const& options) : options_(options) { validate(options); }

  /// The token at `quantile`, in (0, 1), of the distribution that the options make of `logits`.
  /// \throws error if a logit is NaN or the largest infinite.
  template <class T>
  [[nodiscard]] std::int32_t operator()(std::span<T const> logits, double quantile) {
    auto const best = std::max_element(logits.begin(), logits.end());
    bool bad = logits.empty() || !std::isfinite(static_cast<double>(*best));
    for (auto const logit : logits) bad = bad || std::isnan(static_cast<double>(logit));
    if (bad)
      fail({"token sampling", std::to_string(logits.size()) + " logits",
            "they give no distribution: NaN or infinity", "Check the model's weights"});
    if (options_.greedy) return static_cast<std::int32_t>(best - logits.begin());

    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i)
      candidates_.push_back({std::exp(static_cast<double>(logits[i] - *best) / options_.temperature),
                             static_cast<std::int32_t>(i)});
    cut();
    double total = 0;
    for (auto const& candidate : candidates_) total += candidate.weight;
    auto left = quantile * total;
    for (auto const& candidate : candidates_) {
      left -= candidate.weight;
      if (left < 0) return candidate.token;
    }
    return last_possible();
  }

 private:
  struct weighted_token {
    double weight;
    std::int32_t token;
    /// More probable first, then by number, so that equal weights are cut the same way everywhere.
    friend bool operator<(weighted_token const& a, weighted_token const& b) {
      return a.weight > b.weight || (a.weight == b.weight && a.token < b.token);
    }
  };

  void cut() {
    auto const size = candidates_.size();
    auto const kept = options_.top_k == 0 ? size : std::min(size, static_cast<std::size_t>(options_.top_k));
    auto const middle = candidates_.begin() + static_cast<std::ptrdiff_t>(kept);
    if (options_.top_p < 1)
      std::partial_sort(candidates_.begin(), middle, candidates_.end());
    else if (kept < size)
      std::nth_element(candidates_.begin(), middle, candidates_.end());
    candidates_.resize(kept);
    if (options_.top_p == 1) return;
    double total = 0;
    for (auto const& candidate : candidates_) total += candidate.weight;
    double held = 0;
    std::size_t nucleus = 0;
    while (nucleus < kept && held < options_.top_p * total) held += candidates_[nucleus++].weight;
    candidates_.resize(nucleus);
  }

  /// Where rounding leaves the quantile beyond the last weight.
  [[nodiscard]] std::int32_t last_possible() const {
    auto found = candidates_.end() - 1;
    while (found->weight == 0) --found;
    return found->token;
  }

  token_sampling options_;
  std::vector<weighted_token> candidates_;
};

/// Continues each of `prompts` until the token `end` or options.max_new_tokens. `keys` names the draws of
/// each row. \throws error if a prompt is empty, the keys are not as many as the prompts, an option is out of
/// range, or as the model does.
template <class Model>
[[nodiscard]] std::vector<sampled_tokens> sample_tokens(Model& model,
                                                        std::span<std::vector<std::int32_t> const> prompts,
                                                        std::int32_t end, token_sampling const& options,
                                                        std::span<draw_key const> keys) {
  if (keys.size() != prompts.size())
    fail({"token sampling", std::to_string(prompts.size()) + " prompts",
          std::to_string(keys.size()) + " keys were given", "Give one key a prompt"});
  for (std::size_t row = 0; row < prompts.size(); ++row)
    if (prompts[row].empty())
      fail({"token sampling", "prompt " + std::to_string(row), "it is empty",
            "Start prompts with a begin token"});

  token_chooser choose(options);
  std::vector<sampled_tokens> rows(prompts.size());
  auto cache = model.make_cache(static_cast<index_t>(prompts.size()));
  std::vector<std::vector<std::int32_t>> added(prompts.begin(), prompts.end());
  for (index_t step = 0; step < options.max_new_tokens; ++step) {
    if (std::all_of(rows.begin(), rows.end(), [](auto const& row) { return row.ended; })) break;
    auto const tokens = pack_tokens<typename Model::backend_type>(added);
    auto const logits = model.extend(cache, tokens);
    auto const host = logits.to_host_widened();
    auto const vocabulary = static_cast<std::size_t>(logits.extent(1));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      added[row].clear();
      if (rows[row].ended) continue;
      // Two words make 52 bits: 23, all that one gives, would never draw a token rarer than 1e-7.
      auto const words = philox_stream(keys[row]).block(static_cast<std::uint32_t>(step));
      auto const bits = (std::uint64_t{words.word[0]} << 32 | words.word[1]) >> 12;
      auto const quantile = std::fma(static_cast<double>(bits), 0x1p-52, 0x1p-53);
      auto const token = choose(std::span(host).subspan(row * vocabulary, vocabulary), quantile);
      rows[row].tokens.push_back(token);
      rows[row].ended = token == end;
      if (!rows[row].ended) added[row].push_back(token);
    }
  }
  return rows;
}

}  // namespace sysdpo
