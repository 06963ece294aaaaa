// Trainings side by side in one process, each in a thread of its own, with or without threads of their own.
#include <thread>

#include "support/catch.hpp"
#include "train/tabular_training.hpp"

using namespace test;

TEST_CASE("trainings that run at once end as each does by itself", "[train]") {
  auto const pairs = ranked_pairs();
  auto reference = random_models<skip_system>(2);
  auto const train = [&](std::uint64_t seed) {
    auto policy = random_models<skip_system>(seed);
    tabular_trainer(policy, reference, {}, pairs, some_training()).run();
    return weights_of(policy);
  };
  for (int const threads_each : {1, 3}) {
    std::vector<std::vector<double>> results(4);
    {
      std::vector<std::jthread> running;
      for (std::size_t i = 0; i < results.size(); ++i)
        running.emplace_back([&, i] {
          sysdpo::set_cpu_threads(threads_each);
          results[i] = train(i);
        });
    }
    for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i] == train(i));
  }
}
