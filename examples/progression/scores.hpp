// How sequences, rows of the results table and regressors are scored. All arithmetic is in double; nothing
// here knows about models. a_1 … a_n are a regressor's readings of the attribute in the n images of a
// sequence.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <sysdpo/core/error.hpp>

#include "random.hpp"

namespace progression {

/// One sequence's two scores.
struct sequence_score {
  double q = 0.0;        ///< preference score: order and evenness, 1 is perfect
  bool ordered = false;  ///< order consistency: a_1 < a_2 < … < a_n
};

/// The least q that three images can have, from (1, 0, 1) for one; a malformed sequence gets it, and is not
/// in order.
inline constexpr sequence_score worst_score{.q = -2.0, .ordered = false};

/// q = (a_n − a_1) − Σ_i |a_{i−1} − 2 a_i + a_{i+1}|. Readings are clamped to [0, 1]; a prompt that asks for
/// a decrease counts 1 − a. Order is judged after both, so that two readings beyond the same end are not in
/// order. Needs n ≥ 2 readings, none of them NaN; else throws `sysdpo::error`.
inline sequence_score score_sequence(std::span<float const> readings, bool increasing) {
  if (readings.size() < 2 ||
      std::any_of(readings.begin(), readings.end(), [](float r) { return std::isnan(r); }))
    sysdpo::fail({.thing = "sequence to score",
                  .place = std::to_string(readings.size()) + " readings",
                  .cause = "a sequence needs at least two readings, and every one must be a number",
                  .remedy = "Check the regressor's outputs"});
  std::vector<double> a(readings.size());
  std::transform(readings.begin(), readings.end(), a.begin(), [increasing](float reading) {
    double const clamped = std::clamp(static_cast<double>(reading), 0.0, 1.0);
    return increasing ? clamped : 1.0 - clamped;
  });
  sequence_score result{.q = a.back() - a.front(), .ordered = true};
  for (std::size_t i = 1; i < a.size(); ++i) result.ordered = result.ordered && a[i - 1] < a[i];
  for (std::size_t i = 1; i + 1 < a.size(); ++i) result.q -= std::abs(a[i - 1] - 2.0 * a[i] + a[i + 1]);
  return result;
}

/// Which of several pairs are kept where only the share `kept` is, rounded up: those whose sides' scores are
/// farthest apart, of equal ones the earlier. In their order.
inline std::vector<std::size_t> clearest(std::span<double const> gaps, double kept) {
  std::vector<std::size_t> chosen(gaps.size());
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  std::stable_sort(chosen.begin(), chosen.end(), [&](auto a, auto b) { return gaps[a] > gaps[b]; });
  chosen.resize(
      static_cast<std::size_t>(std::ceil(std::clamp(kept, 0.0, 1.0) * static_cast<double>(gaps.size()))));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

/// One system's sequences: `scores[seed][prompt]`; every seed scores the same prompts in the same order.
using score_table = std::vector<std::vector<sequence_score>>;

/// A row of the results table. Standard errors are over seeds, s / √n; NaN with a single seed.
struct row_summary {
  double q = 0.0, q_se = 0.0;
  double order = 0.0, order_se = 0.0;
  std::size_t seeds = 0, prompts = 0;
};

/// A mean with its standard error.
struct estimate {
  double mean = 0.0;
  double se = 0.0;
};

/// Mean of `values` and its standard error s / √n, with s² the unbiased variance; NaN where undefined.
inline estimate mean_and_error(std::span<double const> values) {
  auto const n = static_cast<double>(values.size());
  double const mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {.mean = mean, .se = std::numeric_limits<double>::quiet_NaN()};
  double squares = 0.0;
  for (double const v : values) squares += (v - mean) * (v - mean);
  return {.mean = mean, .se = std::sqrt(squares / (n - 1.0) / n)};
}

namespace detail {

inline void require_table(score_table const& scores) {
  bool const rectangular = !scores.empty() && !scores.front().empty() &&
                           std::all_of(scores.begin(), scores.end(), [&](auto const& seed) {
                             return seed.size() == scores.front().size();
                           });
  if (!rectangular)
    sysdpo::fail({.thing = "score table",
                  .place = std::to_string(scores.size()) + " seeds",
                  .cause = "every seed must score the same prompts, at least one",
                  .remedy = "Score malformed sequences as worst_score instead of leaving them out"});
}

}  // namespace detail

/// Means over seeds and prompts. Throws `sysdpo::error` on an empty or ragged table.
inline row_summary summarize(score_table const& scores) {
  detail::require_table(scores);
  std::vector<double> q, order;
  auto const prompts = static_cast<double>(scores.front().size());
  for (auto const& seed : scores) {
    double q_sum = 0.0, ordered = 0.0;
    for (auto const& score : seed) q_sum += score.q, ordered += score.ordered ? 1.0 : 0.0;
    q.push_back(q_sum / prompts);
    order.push_back(ordered / prompts);
  }
  estimate const q_mean = mean_and_error(q), order_mean = mean_and_error(order);
  return {.q = q_mean.mean,
          .q_se = q_mean.se,
          .order = order_mean.mean,
          .order_se = order_mean.se,
          .seeds = scores.size(),
          .prompts = scores.front().size()};
}

/// How far one system leads another, in both scores.
struct lead_summary {
  double q = 0.0, q_se = 0.0;
  double order = 0.0, order_se = 0.0;
};

/// Paired difference `ours` − `theirs` on the same seeds and prompts, its standard error from a bootstrap
/// that redraws both seeds and prompts (`resamples` times, streams keyed by `key`), mended for few seeds.
/// Throws `sysdpo::error` if the tables differ in shape.
inline lead_summary paired_lead(score_table const& ours, score_table const& theirs, int resamples = 2000,
                                std::uint64_t key = 0) {
  detail::require_table(ours);
  detail::require_table(theirs);
  std::size_t const seeds = ours.size(), prompts = ours.front().size();
  if (theirs.size() != seeds || theirs.front().size() != prompts)
    sysdpo::fail({.thing = "paired comparison",
                  .place = std::to_string(theirs.size()) + " seeds",
                  .cause = "the two systems were scored on different seeds or prompts",
                  .remedy = "Score both on the same prompts with the same noise"});
  auto const q_gap = [&](std::size_t s, std::size_t p) { return ours[s][p].q - theirs[s][p].q; };
  auto const order_gap = [&](std::size_t s, std::size_t p) {
    return static_cast<double>(ours[s][p].ordered) - static_cast<double>(theirs[s][p].ordered);
  };
  auto const cells = static_cast<double>(seeds * prompts);

  lead_summary lead;
  for (std::size_t s = 0; s < seeds; ++s)
    for (std::size_t p = 0; p < prompts; ++p) lead.q += q_gap(s, p), lead.order += order_gap(s, p);
  lead.q /= cells;
  lead.order /= cells;

  random_stream random(mix(key, 0x6c656164U));
  auto const redraw = [&random](std::size_t count) {
    std::vector<std::size_t> drawn(count);
    for (auto& d : drawn) d = static_cast<std::size_t>(random.below(static_cast<int>(count)));
    return drawn;
  };
  double q_squares = 0.0, order_squares = 0.0;
  for (int r = 0; r < resamples; ++r) {
    auto const drawn_seeds = redraw(seeds), drawn_prompts = redraw(prompts);
    double q = 0.0, order = 0.0;
    for (std::size_t const s : drawn_seeds)
      for (std::size_t const p : drawn_prompts) q += q_gap(s, p), order += order_gap(s, p);
    q_squares += (q / cells - lead.q) * (q / cells - lead.q);
    order_squares += (order / cells - lead.order) * (order / cells - lead.order);
  }
  // Redrawing n seeds shows (n − 1)/n of their variance; the rest is added: s²/n², s² the unbiased variance
  // of the seeds' means.
  auto const missing = [&](auto const& gap) {
    if (seeds < 2) return 0.0;
    std::vector<double> means(seeds, 0.0);
    for (std::size_t s = 0; s < seeds; ++s)
      for (std::size_t p = 0; p < prompts; ++p) means[s] += gap(s, p) / static_cast<double>(prompts);
    auto const error = mean_and_error(means).se;
    return error * error / static_cast<double>(seeds);
  };
  lead.q_se = std::sqrt(q_squares / resamples + missing(q_gap));
  lead.order_se = std::sqrt(order_squares / resamples + missing(order_gap));
  return lead;
}

/// Coefficient of determination 1 − Σ(y − ŷ)² / Σ(y − ȳ)²; NaN if the truth is constant. Equal lengths.
inline double r_squared(std::span<float const> truth, std::span<float const> predicted) {
  double const mean = std::accumulate(truth.begin(), truth.end(), 0.0) / static_cast<double>(truth.size());
  double residual = 0.0, total = 0.0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    double const y = truth[i], miss = y - static_cast<double>(predicted[i]);
    residual += miss * miss;
    total += (y - mean) * (y - mean);
  }
  return total > 0.0 ? 1.0 - residual / total : std::numeric_limits<double>::quiet_NaN();
}

/// Ranks from 1; ties share their mean rank.
inline std::vector<double> ranks(std::span<float const> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] <= values[order[first]]) ++last;
    double const shared = 0.5 * static_cast<double>(first + 1 + last);
    for (std::size_t i = first; i < last; ++i) result[order[i]] = shared;
  }
  return result;
}

/// Spearman's rank correlation: Pearson's on `ranks`; NaN if either side is constant. Equal lengths, no NaN.
inline double spearman(std::span<float const> a, std::span<float const> b) {
  auto const x = ranks(a), y = ranks(b);
  double const middle = 0.5 * static_cast<double>(x.size() + 1);
  double xy = 0.0, xx = 0.0, yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0.0 && yy > 0.0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace progression
