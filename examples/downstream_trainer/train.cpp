// A trainer of one's own around sysdpo's loss: LibTorch's modules, LibTorch's optimiser, this program's loop.
#include <exception>

#include "ferry.hpp"
#include "logbook.hpp"

namespace {

using crew = sysdpo::models<ferry, sysdpo::cpu>;

/// `samples` voyages to each of `goals` random goals: result[sample].values[goal].
std::vector<sysdpo::generated<ferry>> sail(crew& models, std::size_t goals, std::uint32_t samples,
                                           std::uint64_t seed) {
  sysdpo::generator random(seed);
  auto const coordinate = [&] { return static_cast<float>(random.uniform_index(5)) - 2; };
  std::vector<sysdpo::generation_request<ferry>> requests(goals);
  for (std::size_t i = 0; i < goals; ++i) {
    requests[i].id = i;
    get<goal>(requests[i].given) = {coordinate(), coordinate()};
  }
  std::vector<sysdpo::generated<ferry>> sailed;
  for (std::uint32_t sample = 0; sample < samples; ++sample)
    sailed.push_back(sysdpo::generate<ferry>(models, {}, std::span(std::as_const(requests)),
                                             {.seed = seed, .visit = sample}));
  return sailed;
}

/// The best of four voyages to a goal against the worst.
std::vector<ferry_pair> collect(crew& models, std::size_t goals, std::uint64_t seed) {
  auto const sailed = sail(models, goals, 4, seed);
  std::vector<ferry_pair> pairs;
  for (std::size_t i = 0; i < goals; ++i) {
    auto const worse = [i](auto const& a, auto const& b) {
      return reward(a.values[i]) < reward(b.values[i]);
    };
    auto const [worst, best] = std::minmax_element(sailed.begin(), sailed.end(), worse);
    pairs.push_back({.id = i, .chosen = best->values[i], .rejected = worst->values[i]});
  }
  return pairs;
}

/// One pass over `pairs`. The reference stays as it is.
sysdpo::metric_map align(crew& policy, crew& reference, std::vector<ferry_pair> const& pairs) {
  std::vector<torch::Tensor> weights;
  policy.for_each([&](auto, auto& model) {
    auto const more = model.network().parameters();
    weights.insert(weights.end(), more.begin(), more.end());
  });
  torch::optim::AdamW optimizer(weights, torch::optim::AdamWOptions(1e-3).weight_decay(0));
  sysdpo::preference_loss<ferry, sysdpo::cpu> loss(policy, reference, {}, {.beta = 0.5});

  constexpr std::size_t batch_size = 50;
  sysdpo::metric_map metrics;
  for (std::size_t begin = 0; begin + batch_size <= pairs.size(); begin += batch_size) {
    std::vector<sysdpo::pair_visit<ferry>> batch;
    for (auto i = begin; i < begin + batch_size; ++i) batch.push_back({.pair = &pairs[i]});

    auto const result = loss.accumulate(batch);
    policy.for_each([](auto, auto& model) { model.lend_gradients(); });
    torch::nn::utils::clip_grad_norm_(weights, 1.0);
    optimizer.step();
    policy.for_each([](auto, auto& model) { model.parameters().clear_gradients(); });
    metrics = sysdpo::metrics_of<ferry>(result, loss.options());
  }
  return metrics;
}

/// Prints how a crew does: what the passengers say, and, which they never see, what each of the two is worth.
/// \return the mean reward.
double examine(char const* when, crew& models) {
  auto const voyages = sail(models, 2000, 1, 1000).front().values;
  auto const goals = matrix<float>(voyages, [](auto const& v) -> auto const& { return get<goal>(v); });
  auto const routes =
      matrix<std::int64_t>(voyages, [](auto const& v) -> auto const& { return get<route>(v); });
  auto const landings = matrix<float>(voyages, [](auto const& v) -> auto const& { return get<landing>(v); });
  auto const ends = steps().index({routes}).sum(1);
  auto const right = (ends == goals).all(1).to(torch::kFloat).mean().item<double>();
  auto const drift = (landings - ends).mean(0).norm().item<double>();
  double mean = 0;
  for (auto const& voyage : voyages) mean += reward(voyage) / static_cast<double>(voyages.size());
  fmt::print("{:<14} {:8.3f} {:14.1f}% {:12.3f}\n", when, mean, 100 * right, drift);
  return mean;
}

}  // namespace

int main() try {
  torch::set_num_threads(1);  // networks as small as these only wait for a second one
  crew policy({{}, {}}, 1);
  pretrain(policy.get<torch_model<navigator>>().network(), policy.get<torch_model<pilot>>().network());

  fmt::print("{:<14} {:>8} {:>15} {:>12}\n", "", "reward", "right routes", "drift");
  auto const before = examine("before", policy);
  double after = before;
  sysdpo::metric_map metrics;
  for (std::uint64_t round = 1; round <= 4; ++round) {
    auto const pairs = collect(policy, 3000, round);
    crew reference = policy;
    metrics = align(policy, reference, pairs);
    after = examine(fmt::format("round {}", round).c_str(), policy);
  }
  fmt::print("\nlast batch: margin {:.2f}, of which {:.2f} the navigator's and {:.2f} the pilot's\n",
             metrics["rewards/margins"], metrics["node/route/rewards/margins"],
             metrics["node/landing/rewards/margins"]);
  if (after > before / 2) return 0;
  fmt::print(stderr, "the distance to the goal was to be halved\n");
  return 1;
} catch (std::exception const& problem) {
  fmt::print(stderr, "train: {}\n", problem.what());
  return 1;
}
