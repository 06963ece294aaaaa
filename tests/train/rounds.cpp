#include "sysdpo/train/rounds.hpp"

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "sysdpo/train/generate.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;

namespace {

int score(sysdpo::assignment<skip_system> const& values) {
  return sysdpo::get<draft>(values) + sysdpo::get<answer>(values);
}

/// Best and worst of four draws, by the sum of the two categories.
std::vector<sysdpo::preference<skip_system>> best_and_worst(double_models<skip_system>& policy, int round) {
  std::vector<sysdpo::generation_request<skip_system>> requests(160);
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].id = i;
  auto const drawn = sysdpo::generate<skip_system>(policy, {}, std::span(std::as_const(requests)),
                                                   {.visit = static_cast<std::uint32_t>(round)});
  std::vector<sysdpo::preference<skip_system>> pairs;
  for (std::size_t i = 0; i < drawn.values.size(); i += 4) {
    auto const four = std::span(drawn.values).subspan(i, 4);
    auto const [worst, best] = std::ranges::minmax_element(four, {}, score);
    if (score(*best) > score(*worst)) pairs.push_back({.id = i, .chosen = *best, .rejected = *worst});
  }
  return pairs;
}

void align(double_models<skip_system>& policy, double_models<skip_system>& reference,
           std::vector<sysdpo::preference<skip_system>> const& pairs, int round) {
  auto options = some_training();
  options.seed = static_cast<std::uint64_t>(round);
  tabular_trainer(policy, reference, {}, pairs, options).run();
}

double mean_score(double_models<skip_system> const& models) {
  auto const joint = joint_of(models);
  double mean = 0;
  for (std::size_t i = 0; i < 9; ++i) mean += joint[i] * static_cast<double>(i / 3 + i % 3);
  return mean;
}

}  // namespace

TEST_CASE("each round improves on the one before", "[rounds]") {
  auto policy = random_models<skip_system>(1);
  std::vector<double> scores{mean_score(policy)};
  sysdpo::run_rounds(policy, {.rounds = 3}, best_and_worst,
                     [&](auto& current, auto& reference, auto const& pairs, int round) {
                       align(current, reference, pairs, round);
                       scores.push_back(mean_score(current));
                     });
  REQUIRE(scores.size() == 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(scores[i] > scores[i - 1] + 0.05);
}

TEST_CASE("the reference is the round's start or the original", "[rounds]") {
  auto const start = random_models<skip_system>(1);
  for (auto const choice : {sysdpo::round_reference::start_of_round, sysdpo::round_reference::original}) {
    auto policy = start;
    sysdpo::run_rounds(policy, {.rounds = 2, .reference = choice}, best_and_worst,
                       [&](auto& current, auto& reference, auto const& pairs, int round) {
                         CHECK((weights_of(reference) == weights_of(current)) ==
                               (round == 0 || choice == sysdpo::round_reference::start_of_round));
                         CHECK((weights_of(reference) == weights_of(start)) ==
                               (round == 0 || choice == sysdpo::round_reference::original));
                         align(current, reference, pairs, round);
                       });
  }
}

TEST_CASE("rounds that were interrupted end as if they had not been", "[rounds]") {
  test::temporary_directory const folder;
  auto const start = random_models<skip_system>(1);
  auto expected = start;
  sysdpo::run_rounds(expected, {.rounds = 3}, best_and_worst, align);

  auto policy = start;
  CHECK_THROWS_WITH(sysdpo::run_rounds(policy, {.rounds = 3, .folder = folder / "rounds"}, best_and_worst,
                                       [](auto& current, auto& reference, auto const& pairs, int round) {
                                         align(current, reference, pairs, round);
                                         if (round == 1) throw std::runtime_error("interrupted");
                                       }),
                    Contains("interrupted"));
  auto resumed = start;
  std::vector<int> collected;
  sysdpo::run_rounds(
      resumed, {.rounds = 3, .folder = folder / "rounds"},
      [&](auto& current, int round) {
        collected.push_back(round);
        return best_and_worst(current, round);
      },
      align);
  CHECK(collected == std::vector{1, 2});
  CHECK(weights_of(resumed) == weights_of(expected));
}

TEST_CASE("a round without pairs is an error", "[rounds]") {
  auto policy = random_models<skip_system>(1);
  CHECK_THROWS_WITH(sysdpo::run_rounds(
                        policy, {.rounds = 2},
                        [](auto&, int) { return std::vector<sysdpo::preference<skip_system>>{}; }, align),
                    Contains("round 1 of 2"));
}
