// From nothing to an aligned system: habits are learnt from a corpus, better ones from preferences between
// answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <sysdpo.hpp>
#include <vector>

#include "system.hpp"
#include "task.hpp"

namespace mixture {

struct settings {
  sysdpo::index_t pretraining_steps = 500;
  sysdpo::index_t pretraining_batch = 64;  ///< examples
  int rounds = 8;
  std::size_t questions = 150;  ///< a round
  std::uint32_t samples = 8;    ///< answers to a question
  sysdpo::index_t steps = 50;   ///< a round
  int seeds = 3;
  std::uint32_t test_samples = 4;  ///< answers to a held-out question
};

using values = sysdpo::assignment<mixture_of_agents>;

/// log p of the node `Name` in each of `batch`, given its parents there.
template <class Name>
auto log_prob(sysdpo::tape<sysdpo::cpu, float>& tape, mixture_models& models, std::span<values const> batch) {
  using node = typename mixture_of_agents::template node_at<mixture_of_agents::index_of<Name>>;
  using row = sysdpo::row_of<mixture_of_agents, node>;
  std::vector<row> rows;
  for (auto const& one : batch)
    rows.push_back({.value = &sysdpo::get<Name>(one), .parents = sysdpo::parent_pointers<Name>(one)});
  return node::policy::log_prob(tape, models.get<typename node::model>(), {}, std::span<row const>(rows));
}

/// Teaches the nodes of one model their habits, by maximum likelihood.
template <class Model>
void pretrain(mixture_models& models, std::vector<tokens> const& questions, settings const& how) {
  auto& weights = models.get<Model>().parameters();
  sysdpo::adamw<sysdpo::cpu, sysdpo::precision<float>> optimizer({.beta2 = 0.99});
  sysdpo::learning_rate_schedule const schedule{.warmup_steps = 50, .shape = sysdpo::decay::cosine};
  auto const each = std::vector(static_cast<std::size_t>(how.pretraining_batch),
                                -1.0F / static_cast<float>(how.pretraining_batch));
  auto const seeds = sysdpo::tensor<sysdpo::cpu, float>::from_host({how.pretraining_batch}, each);
  sysdpo::tape<sysdpo::cpu, float> tape;
  habits draw(1);
  for (sysdpo::index_t step = 0; step < how.pretraining_steps; ++step) {
    std::vector<values> batch;
    while (batch.size() < each.size()) batch.push_back(draw(questions));
    weights.clear_gradients();
    sysdpo::for_each_node<mixture_of_agents>([&](auto tag) {
      using node = typename decltype(tag)::node;
      if constexpr (std::is_same_v<typename node::model, Model>)
        tape.backward(log_prob<typename node::name>(tape, models, batch), seeds);
    });
    auto const norm = std::sqrt(sysdpo::squared_gradient_norm(weights));
    optimizer.step(weights, 1e-2 * schedule.factor(step, how.pretraining_steps), norm > 1 ? 1 / norm : 1);
  }
}

/// What the system says to every question, `samples` times: result[sample][question].
inline std::vector<sysdpo::generated<mixture_of_agents>> ask(mixture_models& models,
                                                             std::span<tokens const> questions,
                                                             std::uint32_t samples, std::uint64_t seed) {
  std::vector<sysdpo::generation_request<mixture_of_agents>> requests(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<question>(requests[i].given) = questions[i];
  }
  mixture_options policies;
  sysdpo::for_each_node<mixture_of_agents>(
      [&](auto tag) { policies.get<typename decltype(tag)::node::policy>().sampling.max_new_tokens = 5; });
  std::vector<sysdpo::generated<mixture_of_agents>> said;
  for (std::uint32_t sample = 0; sample < samples; ++sample)
    said.push_back(sysdpo::generate<mixture_of_agents>(models, policies, std::span(std::as_const(requests)),
                                                       {.seed = seed, .visit = sample}));
  return said;
}

/// A right answer against a wrong one, for every question that the system gives both to.
inline std::vector<mixture_pair> collect_pairs(mixture_models& models, std::span<tokens const> questions,
                                               std::uint32_t samples, std::uint64_t seed) {
  auto const said = ask(models, questions, samples, seed);
  std::vector<mixture_pair> pairs;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    values const* right = nullptr;
    values const* wrong = nullptr;
    for (auto const& sample : said)
      if (sample.valid[i])
        (is_right(questions[i], sysdpo::get<answer>(sample.values[i])) ? right : wrong) = &sample.values[i];
    if (right != nullptr && wrong != nullptr)
      pairs.push_back({.id = i, .chosen = *right, .rejected = *wrong});
  }
  return pairs;
}

/// Aligns the nodes whose scale is not 0, in rounds of collecting pairs and training on them.
inline void align(mixture_models& policy, std::vector<tokens> const& questions, numbers const& scales,
                  settings const& how, std::uint64_t seed) {
  auto const collect = [&](mixture_models& current, int round) {
    auto const first = static_cast<std::size_t>(round) * how.questions % (questions.size() - how.questions);
    return collect_pairs(current, std::span(questions).subspan(first, how.questions), how.samples,
                         100 * seed + static_cast<std::uint64_t>(round));
  };
  auto const train = [&](mixture_models& current, mixture_models& reference,
                         std::vector<mixture_pair> const& pairs, int round) {
    sysdpo::trainer_options<mixture_of_agents> options{
        .loss = {.beta = 0.3, .scales = scales, .rejected_gradient = numbers::all(0.3)},
        .steps = how.steps,
        .rates = sysdpo::model_numbers<mixture_of_agents>::all(6e-4),
        .schedule = {.warmup_steps = 5, .shape = sysdpo::decay::cosine, .final_factor = 0.1},
        .seed = 100 * seed + static_cast<std::uint64_t>(round)};
    sysdpo::trainer<mixture_of_agents, sysdpo::cpu>(current, reference, {}, pairs, options).run();
  };
  sysdpo::run_rounds(policy, {.rounds = how.rounds}, collect, train);
}

}  // namespace mixture
