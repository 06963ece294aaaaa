#include "sysdpo/train/callbacks.hpp"

#include <fstream>
#include <numeric>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;

namespace {

/// Feeds a callback one validated step for each loss; returns the step that it ended at, 0 if it never did.
sysdpo::index_t feed(sysdpo::callback& callback, std::vector<double> const& losses) {
  for (std::size_t i = 0; i < losses.size(); ++i) {
    sysdpo::metric_map const metrics{{"eval/loss", losses[i]}};
    auto const step = static_cast<sysdpo::index_t>(i) + 1;
    if (!callback.on_step({.step = step, .steps = 100, .validated = true, .metrics = metrics})) return step;
  }
  return 0;
}

std::vector<sysdpo::index_t> steps_of(std::filesystem::path const& file) {
  std::vector<sysdpo::index_t> steps;
  sysdpo::read_jsonl(file, "metrics", [&](sysdpo::json_view const& line, std::size_t) {
    steps.push_back(line.at("step").integer<sysdpo::index_t>());
  });
  return steps;
}

}  // namespace

TEST_CASE("training ends early after validations without an improvement", "[callbacks]") {
  sysdpo::stop_early two(2);
  CHECK(feed(two, {5, 4, 4.5, 3, 3, 3.1, 1}) == 6);
  sysdpo::stop_early with_margin(1, "eval/loss", sysdpo::better::lower, 0.5);
  CHECK(feed(with_margin, {5, 4.6, 4}) == 2);
  sysdpo::stop_early higher(1, "eval/loss", sysdpo::better::higher);
  CHECK(feed(higher, {1, 2, 3}) == 0);
  CHECK(feed(higher, {3}) == 1);
  sysdpo::stop_early unknown(1, "eval/lost");
  CHECK_THROWS_WITH(feed(unknown, {1}), Contains("eval/lost"));
}

TEST_CASE("the best weights are saved, whatever comes later", "[callbacks]") {
  int saves = 0;
  sysdpo::save_best best([&] { ++saves; });
  feed(best, {5, 6, 4, 4, 3.5, std::numeric_limits<double>::quiet_NaN(), 9});
  CHECK(saves == 3);
}

TEST_CASE("a training validates, saves its best and stops early", "[callbacks]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto opposite = pairs;  // what is learnt makes these worse from the first step
  for (auto& pair : opposite) std::swap(pair.chosen, pair.rejected);
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto options = some_training();
  options.validate_every = 2;
  tabular_trainer training(policy, reference, {}, pairs, options, opposite);
  std::vector<double> at_best;
  sysdpo::stop_early stopping(3);
  sysdpo::save_best best([&] {
    at_best = weights_of(policy);
    sysdpo::save_system(folder / "best", policy);
  });
  CHECK(training.run({&stopping, &best}) == 8);
  auto loaded = random_models<skip_system>(2);
  sysdpo::load_system(folder / "best", loaded);
  CHECK(weights_of(loaded) == at_best);
  CHECK(at_best != weights_of(policy));
}

TEST_CASE("a resumed training stops where the uninterrupted one does and keeps the same best",
          "[callbacks]") {
  auto const pairs = ranked_pairs();
  auto opposite = pairs;
  for (auto& pair : opposite) std::swap(pair.chosen, pair.rejected);
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.validate_every = 2;
  options.checkpoint_every = 1;

  std::vector<sysdpo::index_t> saves;
  // A process that ends after `stop` steps, or when the callbacks say so; returns the steps done.
  auto const train = [&](sysdpo::index_t stop) {
    auto policy = start;
    tabular_trainer training(policy, reference, {}, pairs, options, opposite);
    sysdpo::stop_early stopping(3);
    sysdpo::save_best best([&] { saves.push_back(training.step()); });
    auto ending = stop_at(stop);
    return training.run({&stopping, &best, &ending});
  };
  REQUIRE(train(100) == 8);
  auto const expected = std::exchange(saves, {});
  REQUIRE(expected == std::vector<sysdpo::index_t>{2});

  test::temporary_directory const folder;
  options.checkpoints = folder / "run";
  for (sysdpo::index_t const stop : {1, 3, 5}) CHECK(train(stop) == stop);
  CHECK(train(100) == 8);
  CHECK(saves == expected);
}

TEST_CASE("a training that was ended early is not trained on when it is run again", "[callbacks]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto opposite = pairs;
  for (auto& pair : opposite) std::swap(pair.chosen, pair.rejected);
  auto reference = random_models<skip_system>(1);
  auto options = some_training();
  options.validate_every = 2;
  options.checkpoints = folder / "run";
  std::vector<double> weights;
  auto const train = [&](int patience) {
    auto policy = random_models<skip_system>(1);
    sysdpo::stop_early stopping(patience);
    tabular_trainer training(policy, reference, {}, pairs, options, opposite);
    auto const steps = training.run({&stopping});
    weights = weights_of(policy);
    return steps;
  };
  REQUIRE(train(3) == 8);
  auto const ended = weights;
  CHECK(train(3) == 8);
  CHECK(weights == ended);
  CHECK(train(4) == 10);  // more patience goes on
}

TEST_CASE("callbacks other than those of the run are refused when it is resumed", "[callbacks]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.validate_every = 2;
  options.checkpoints = folder / "run";
  auto const train = [&](std::initializer_list<sysdpo::callback*> callbacks) {
    auto policy = start;
    return tabular_trainer(policy, reference, {}, pairs, options, pairs).run(callbacks);
  };
  sysdpo::stop_early stopping(3);
  auto ending = stop_at(3);
  train({&ending, &stopping});
  CHECK_THROWS_WITH(train({&ending}), Contains("/callbacks") && Contains("1 callbacks") && Contains("0 of"));
  sysdpo::stop_early other(3, "eval/rewards/margins");
  CHECK_THROWS_WITH(train({&other}), Contains("/callbacks/0/metric") && Contains("eval/rewards/margins"));
  sysdpo::stop_early same(3);
  CHECK(train({&same}) == 24);
}

TEST_CASE("a resumed training writes each step's metrics once", "[callbacks]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.steps = 12;
  options.checkpoints = folder / "run";
  options.checkpoint_every = 4;
  auto const file = folder / "metrics.jsonl";
  {
    auto policy = start;
    tabular_trainer training(policy, reference, {}, pairs, options);
    sysdpo::write_metrics writing(file, training.step());
    listener dying([](sysdpo::training_event const& event) -> bool {
      if (event.step == 7) throw std::runtime_error("killed");
      return true;
    });
    CHECK_THROWS(training.run({&writing, &dying}));
  }
  CHECK(steps_of(file).size() == 7);
  {
    std::ofstream torn(file, std::ios::app);
    torn << "{\"step\": 8, \"lo";
  }
  auto policy = start;
  tabular_trainer training(policy, reference, {}, pairs, options);
  CHECK(training.step() == 4);
  sysdpo::write_metrics writing(file, training.step());
  training.run({&writing});
  std::vector<sysdpo::index_t> expected(12);
  std::iota(expected.begin(), expected.end(), 1);
  CHECK(steps_of(file) == expected);
  sysdpo::read_jsonl(file, "metrics", [](sysdpo::json_view const& line, std::size_t) {
    for (auto const* name :
         {"loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
          "node/draft/rewards/margins", "node/answer/rewards/margins", "model/draft/gradient_norm",
          "learning_rate_factor"})
      CHECK(std::isfinite(line.at(name).number()));
  });
}
