// A compound system on kernels in 16 bits.
#include "support/device_system.hpp"
#include "sysdpo/train/estimate.hpp"

using namespace test;

TEST_CASE("a compound system trains in 16 bits as in 32, but for their roundings", "[backend]") {
  auto const expected = train<sysdpo::cpu>(2, 1e-3);
  for (auto metrics : {train<device, half_memory>(2, 1e-3), train<device, quarter_memory>(2, 1e-3)}) {
    // AdamW's first step is made of signs: a small gradient that rounds to the other one counts in full.
    CHECK(metrics[1].at("loss") == Approx(expected[1].at("loss")).margin(0.15));
    metrics.resize(1);
    check_metrics(metrics, expected, 0.05);
  }
}

TEST_CASE("a compound system draws in 16 bits", "[backend]") {
  auto const drawn = draw<device, half_memory>();
  REQUIRE(std::count(drawn.valid.begin(), drawn.valid.end(), true) > 0);
}

TEST_CASE("an estimate for kernels is within a tenth of what is used", "[backend]") {
  auto const pairs = some_pairs();
  sysdpo::trainer_options<storybook> options{.steps = 2, .pairs_per_batch = 2};
  auto const told = sysdpo::estimate<half_memory, device>(configs(), {}, pairs, options);
  auto& memory = device::memory();
  auto const before = memory.bytes_in_use();
  auto policy = some_models<device, half_memory>();
  auto reference = policy;
  memory.reset_peak();
  sysdpo::trainer<storybook, device, half_memory> training(policy, reference, {}, pairs, options);
  training.take_step();
  auto const allocations = memory.system_allocations();
  training.take_step();
  CHECK(memory.system_allocations() == allocations);
  auto const used = memory.peak_bytes() - before;
  INFO(told.text());
  // What libraries keep, they have since the tests above.
  CHECK(static_cast<double>(told.peak - told.libraries) == Approx(static_cast<double>(used)).epsilon(0.1));
}
