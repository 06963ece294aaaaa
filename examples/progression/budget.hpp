// How long a run will take on this machine, told before it begins: a few steps of every kind of work are done
// on scratch models and timed, all workers at once, then multiplied by how often the run will do them.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>
#include <sysdpo.hpp>
#include <utility>
#include <vector>

#include "collect.hpp"
#include "jobs.hpp"
#include "rows.hpp"
#include "settings.hpp"

namespace progression {

/// Seconds for one unit of each kind of work.
struct unit_costs {
  double regressor_step = 0, author_step = 0;  ///< pre-training, one thread, the other beside it
  double painter_step = 0;                     ///< pre-training, all threads
  double sequence = 0;                         ///< drawn and scored; one of as many workers as there are
  double author_pair_step = 0, pair_step = 0;  ///< aligning the author alone, both models
};

/// A stage's name and its seconds.
using planned_stage = std::pair<std::string, double>;

namespace detail {

/// Seconds of `work`.
inline double seconds_of(std::function<void()> const& work) {
  auto const begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds of each further step of `work(steps)`: what it takes to begin, and the first step's
/// allocations, cancel.
inline double seconds_a_step(std::function<void(sysdpo::index_t)> const& work) {
  constexpr sysdpo::index_t few = 2, more = 6;
  auto const begun = seconds_of([&] { work(few); });
  return std::max(seconds_of([&] { work(more); }) - begun, 0.0) / (more - few);
}

}  // namespace detail

/// Times a little of everything; takes a few seconds.
inline unit_costs measure_costs(experiment_settings const& settings,
                                sysdpo::policy_options<storybook> const& options,
                                std::vector<prompt> const& prompts) {
  constexpr std::size_t count = 16;
  auto const brief = [](pretraining how, sysdpo::index_t steps) {
    how.steps = steps;
    return how;
  };
  unit_costs cost;
  run_jobs("",
           {[&] {
              cost.regressor_step = detail::seconds_a_step([&](sysdpo::index_t steps) {
                regressor judge(1);
                pretrain_regressor(judge, brief(settings.regressor_training, steps), "");
              });
            },
            [&] {
              storybook_models scratch(model_sizes(), 1);
              cost.author_step = detail::seconds_a_step([&](sysdpo::index_t steps) {
                pretrain_author(scratch, options, prompts, brief(settings.author_training, steps),
                                settings.p_order, "");
              });
            }},
           settings.workers);
  sysdpo::set_cpu_threads(settings.workers);
  storybook_models painted(model_sizes(), 1);
  cost.painter_step = detail::seconds_a_step([&](sysdpo::index_t steps) {
    pretrain_painter(painted, options, brief(settings.painter_training, steps), settings.rho, "");
  });

  std::vector<unit_costs> measured(static_cast<std::size_t>(settings.workers));
  std::vector<std::function<void()>> jobs;
  for (auto& mine : measured)
    jobs.emplace_back([&] {
      storybook_models policy(model_sizes(), 1);
      regressor judge(1);
      std::vector<prompt> const asked(prompts.begin(), prompts.begin() + count);
      std::vector<scored_sequence> drawn;
      auto const draw = [&] {
        drawn = generate_sequences(policy, options, judge, asked, {.seed = 1, .oracle = true});
      };
      draw();  // the first time allocates
      mine.sequence = detail::seconds_of(draw) / count;
      std::vector<storybook_pair> pairs;
      for (std::size_t i = 0; i < count; ++i)
        pairs.push_back({.id = i, .chosen = drawn[i].values, .rejected = drawn[i].values});
      auto const step_of = [&](bool painter_learns) {
        storybook_models reference(policy);
        return detail::seconds_a_step([&](sysdpo::index_t steps) {
          train_round<sysdpo::logistic>(policy, reference, options, pairs, steps, settings.budget,
                                        {.author_rate = 1e-6, .painter_rate = 1e-6}, painter_learns, 1);
        });
      };
      mine.author_pair_step = step_of(false);
      mine.pair_step = step_of(true);
    });
  run_jobs("", jobs, settings.workers);
  auto const share = 1.0 / static_cast<double>(measured.size());
  for (auto const& mine : measured) {
    cost.sequence += mine.sequence * share;
    cost.author_pair_step += mine.author_pair_step * share;
    cost.pair_step += mine.pair_step * share;
  }
  return cost;
}

/// Seconds of one worker for one seed of a trained row, without its first round's pairs.
inline double alignment_seconds(unit_costs const& cost, alignment_budget const& budget, recipe const& how) {
  auto const rounds = static_cast<double>(budget.rounds);
  auto const learning = how.painter_rate > 0 ? rounds - how.painter_from_round : 0.0;
  auto const steps = static_cast<double>(budget.steps);
  return (rounds - 1) * budget.prompts * budget.candidates * cost.sequence +
         learning * steps * cost.pair_step + (rounds - learning) * steps * cost.author_pair_step;
}

/// All stages of a run from nothing.
inline std::vector<planned_stage> plan(experiment_settings const& settings, unit_costs const& cost) {
  auto const workers = static_cast<double>(settings.workers);
  auto const& budget = settings.budget;
  auto const seeds = static_cast<double>(settings.seeds);
  auto const sequences = [&](double count) { return count * cost.sequence / workers; };
  double const first_pairs = budget.prompts * budget.candidates;

  auto const judging = static_cast<double>(settings.regressor_training.steps) * cost.regressor_step;
  auto const writing = static_cast<double>(settings.author_training.steps) * cost.author_step;
  auto const painting = static_cast<double>(settings.painter_training.steps) * cost.painter_step;
  double tuning = settings.tune ? sequences(first_pairs) : 0;
  double alignment = seeds * sequences(first_pairs);
  for (auto const* row : trained_rows) {
    auto const grid = grid_of(row);
    alignment += seeds * alignment_seconds(cost, budget, grid.front()) / workers;
    for (std::size_t i = 0; settings.tune && i < grid.size(); ++i)
      tuning += alignment_seconds(cost, budget, grid[i]) / workers + sequences(settings.validation_prompts);
  }
  auto const test_sequences =
      static_cast<double>(row_names.size() + 3) * settings.test_prompts +  // best_of_4 draws four times
      static_cast<double>(phrasing_rows.size()) * settings.phrasing_prompts;
  auto const test = seeds * sequences(test_sequences);
  return {{"pre-training", (workers > 1 ? std::max(judging, writing) : judging + writing) + painting},
          {"tuning", tuning},
          {"alignment", alignment},
          {"test prompts", test}};
}

/// "about 26 min from nothing: pre-training 7 min, …"
inline std::string plan_text(std::vector<planned_stage> const& stages, int workers) {
  auto const minutes = [](double seconds) {
    return seconds < 90 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
  };
  double total = 0;
  std::string parts;
  for (auto const& [name, seconds] : stages) {
    total += seconds;
    if (seconds > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", name, minutes(seconds));
  }
  return fmt::format("On this machine, {} at a time, about {} from nothing: {}. Finished stages are skipped.",
                     workers, minutes(total), parts);
}

}  // namespace progression
