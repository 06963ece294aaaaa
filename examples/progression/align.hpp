// How one row of the table is made: rounds of collecting pairs with the current system and training on them.
// All rows get the same rounds, prompts, candidates and steps; they differ in which nodes learn and how fast.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <sysdpo.hpp>
#include <vector>

#include "collect.hpp"
#include "report_data.hpp"
#include "system.hpp"

namespace progression {

/// What all rows share.
struct alignment_budget {
  int rounds = 4;
  int prompts = 360;           ///< a round
  int candidates = 6;          ///< sequences a prompt
  double kept = 0.5;           ///< share of a round's pairs: those that are clearest by q
  sysdpo::index_t steps = 90;  ///< a round
  sysdpo::index_t batch = 16;  ///< pairs
  double beta = 0.5;
};

/// What a row may choose, and tuning decides: a rate of 0 freezes the model.
struct recipe {
  double author_rate = 0;
  double painter_rate = 0;
  double painter_scale = 1;      ///< c_k of the panels, beside the bound's own T
  int painter_from_round = 0;    ///< rounds before it train the author alone
  double author_rejected = 0.3;  ///< of the rejected side's gradient
  double painter_rejected = 1;
  bool offline = false;       ///< one round, on as many pairs, all made by the unaligned system
  bool winners_only = false;  ///< supervised training on the winners: no loser, no sigmoid

  [[nodiscard]] std::string text() const {
    std::string parts;
    if (author_rate > 0)
      parts += fmt::format("author rate {:g}, rejected × {:g}", author_rate, author_rejected);
    if (painter_rate > 0)
      parts += fmt::format("{}painter rate {:g}, rejected × {:g}, scale {:g}, from round {}",
                           parts.empty() ? "" : "; ", painter_rate, painter_rejected, painter_scale,
                           painter_from_round + 1);
    if (offline) parts += "; one round";
    if (winners_only) parts += "; winners only";
    return parts;
  }
};

/// The link of supervised training: every pair pulls alike, however well it is told apart.
struct linear {
  [[nodiscard]] double value(double h, double beta) const { return -beta * h; }
  [[nodiscard]] double slope(double, double beta) const { return -beta; }
};

/// A trained row with its learning curves.
struct aligned {
  storybook_models models;
  std::vector<learning_curve> curves;
  std::size_t pairs = 0;
};

/// Collects the curves of the system, the writer and the panels together.
class record_curves final : public sysdpo::callback {
 public:
  explicit record_curves(std::vector<learning_curve>& curves, double beta, double first_step)
      : curves_(&curves), beta_(beta), first_step_(first_step) {}

  bool on_step(sysdpo::training_event const& event) override {
    for (auto& curve : *curves_) {
      double margin = 0, accuracy = 0, chosen = 0, rejected = 0, noise_variance = 0;
      bool has_noise = false;
      auto const& prefixes = curve.node == "system" ? system_ : curve.node == "writer" ? writer_ : panels_;
      for (auto const& prefix : prefixes) {
        margin += event.metrics.at(prefix + "rewards/margins");
        accuracy += event.metrics.at(prefix + "rewards/accuracies") / static_cast<double>(prefixes.size());
        chosen += event.metrics.at(prefix + "rewards/chosen") / beta_;
        rejected += event.metrics.at(prefix + "rewards/rejected") / beta_;
        if (auto const noise = event.metrics.find(prefix + "draw_noise"); noise != event.metrics.end()) {
          noise_variance += noise->second * noise->second;  // of independent draws: variances add up
          has_noise = true;
        }
      }
      if (has_noise) curve.draw_noise.push_back(std::sqrt(noise_variance));
      curve.step.push_back(first_step_ + static_cast<double>(event.step));
      curve.margin.push_back(margin);
      curve.accuracy.push_back(accuracy);
      curve.chosen.push_back(chosen);
      curve.rejected.push_back(rejected);
    }
    return true;
  }

 private:
  inline static std::vector<std::string> const system_{""};
  inline static std::vector<std::string> const writer_{"node/writer/"};
  inline static std::vector<std::string> const panels_{"node/panel_0/", "node/panel_1/", "node/panel_2/"};

  std::vector<learning_curve>* curves_;
  double beta_;
  double first_step_;
};

/// The prompts of a round: each round asks others, as far as there are enough.
inline std::vector<prompt> prompts_of_round(std::span<prompt const> prompts, alignment_budget const& budget,
                                            int round) {
  std::vector<prompt> asked;
  for (int i = 0; i < budget.prompts; ++i)
    asked.push_back(prompts[static_cast<std::size_t>(round * budget.prompts + i) % prompts.size()]);
  return asked;
}

/// The pairs that `models` makes in a round.
inline std::vector<storybook_pair> pairs_of_round(storybook_models& models,
                                                  sysdpo::policy_options<storybook> const& options,
                                                  regressor& judge, std::span<prompt const> prompts,
                                                  alignment_budget const& budget, std::uint64_t seed,
                                                  int round) {
  auto const asked = prompts_of_round(prompts, budget, round);
  return collect_pairs(models, options, judge, asked, budget.candidates, budget.kept,
                       seed * 100 + static_cast<std::uint64_t>(round),
                       static_cast<std::uint64_t>(round) << 32U);
}

/// One round's training of `policy` on `pairs` against `reference`.
template <sysdpo::preference_link Link, class Backend = machine>
void train_round(models_on<Backend>& policy, models_on<Backend>& reference,
                 sysdpo::policy_options<storybook> const& options, std::vector<storybook_pair> const& pairs,
                 sysdpo::index_t steps, alignment_budget const& budget, recipe const& how,
                 bool painter_learns, std::uint64_t seed,
                 std::vector<sysdpo::callback*> const& callbacks = {}) {
  policy.template get<author_model>().parameters().set_trainable(how.author_rate > 0);
  policy.template get<painter_model>().parameters().set_trainable(painter_learns);
  sysdpo::trainer_options<storybook, Link> training{
      .steps = steps, .pairs_per_batch = budget.batch, .seed = seed};
  training.loss.beta = budget.beta;
  training.loss.seed = seed;
  training.loss.rejected_gradient = decltype(training.loss.rejected_gradient)::all(how.painter_rejected);
  training.loss.rejected_gradient.template at<writer>() = how.author_rejected;
  training.loss.scales = decltype(training.loss.scales)::all(how.painter_scale);
  training.loss.scales.template at<writer>() = 1;
  training.rates.template at<author_model>() = how.author_rate;
  training.rates.template at<painter_model>() = how.painter_rate;
  training.schedule = {.warmup_steps = 20, .shape = sysdpo::decay::cosine, .final_factor = 0.1};
  training.optimizer = {.beta2 = 0.99};
  training.draw_noise_every = std::max<sysdpo::index_t>(budget.steps / 5, 1);
  sysdpo::trainer<storybook, Backend, precision, Link> trainer(policy, reference, options, pairs, training);
  trainer.run(callbacks);
}

/// Trains `start` by `how`, round after round on pairs of its own making; a round's reference is the system
/// at its start. `first_pairs` are those of round one, made by the unaligned system, which all rows share.
inline aligned align(storybook_models const& start, sysdpo::policy_options<storybook> const& options,
                     regressor& judge, std::span<prompt const> prompts,
                     std::vector<storybook_pair> const& first_pairs, alignment_budget const& budget,
                     recipe const& how, std::string const& row, std::uint64_t seed) {
  aligned result{storybook_models(start), {}, 0};
  for (auto const* node : {"system", "writer", "painter"})
    result.curves.push_back({.system = row, .node = node});
  // An offline row asks the prompts of all rounds at once and takes the steps of all rounds.
  auto const rounds = how.offline ? 1 : budget.rounds;
  auto const steps = budget.steps * budget.rounds / rounds;

  auto const collect = [&](storybook_models& policy, int round) {
    auto pairs =
        round == 0 ? first_pairs : pairs_of_round(policy, options, judge, prompts, budget, seed, round);
    for (int later = 1; how.offline && later < budget.rounds; ++later)
      for (auto& pair : pairs_of_round(policy, options, judge, prompts, budget, seed, later))
        pairs.push_back(std::move(pair));
    result.pairs += pairs.size();
    return pairs;
  };
  auto const train = [&](storybook_models& policy, storybook_models& reference,
                         std::vector<storybook_pair> const& pairs, int round) {
    auto const painter_learns = how.painter_rate > 0 && round >= how.painter_from_round;
    record_curves curves(result.curves, budget.beta, static_cast<double>(round * steps));
    auto const with = how.winners_only ? train_round<linear> : train_round<sysdpo::logistic>;
    with(policy, reference, options, pairs, steps, budget, how, painter_learns,
         seed * 100 + static_cast<std::uint64_t>(round), {&curves});
  };
  sysdpo::run_rounds(result.models, {.rounds = rounds}, collect, train);
  return result;
}

}  // namespace progression
