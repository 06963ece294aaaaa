#include "sysdpo/optim/moving_average.hpp"

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"

using weights_type = sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<double>>;

TEST_CASE("the average forgets exponentially", "[optim]") {
  weights_type weights;
  auto& weight = weights.add("w", {2}, sysdpo::ones);
  sysdpo::moving_average average(weights, 0.75);
  std::vector<double> expected{1, 1};
  for (int step = 1; step <= 4; ++step) {
    for (std::size_t i = 0; i < 2; ++i) {
      weight.value.data()[i] = static_cast<double>(step) * (i == 0 ? 1.0 : -2.0);
      expected[i] = 0.75 * expected[i] + 0.25 * weight.value.data()[i];
    }
    average.update(weights);
  }
  average.copy_to(weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(weight.value.data()[i] == Approx(expected[i]).epsilon(1e-14));
}

TEST_CASE("a decay outside [0, 1) is refused", "[optim]") {
  weights_type weights;
  CHECK_THROWS_WITH(sysdpo::moving_average(weights, 1), Catch::Contains("decay"));
  CHECK_THROWS_WITH(sysdpo::moving_average(weights, -0.5), Catch::Contains("decay"));
}
