// A compound system on kernels in 16 bits.
#include "support/device_system.hpp"

using namespace test;

TEST_CASE("a compound system trains in 16 bits as in 32, but for their roundings", "[backend]") {
  auto const expected = train<sysdpo::cpu>(2, 1e-3);
  for (auto metrics : {train<device, half_memory>(2, 1e-3), train<device, quarter_memory>(2, 1e-3)}) {
    CHECK(metrics[1].at("loss") == Approx(expected[1].at("loss")).margin(0.15));
    metrics.resize(1);
    check_metrics(metrics, expected, 0.05);
  }
}

TEST_CASE("a compound system draws in 16 bits", "[backend]") {
  auto const drawn = draw<device, half_memory>();
  REQUIRE(std::count(drawn.valid.begin(), drawn.valid.end(), true) > 0);
}
