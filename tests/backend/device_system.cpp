// A compound system on kernels: trained and drawn from as on the CPU.
#include "support/device_system.hpp"

using namespace test;

TEST_CASE("a compound system trains on kernels as on the CPU", "[backend]") {
  auto const expected = train<sysdpo::cpu>(2, 1e-2);
  check_metrics(train<device>(2, 1e-2), expected, 1e-3);
  check_metrics(train<device>(1, 1e-2, true), expected, 1e-3);
  check_metrics(train<device>(2, 1e-2, false, true), expected, 1e-3);
}

TEST_CASE("a compound system draws on kernels what it draws on the CPU", "[backend]") {
  auto const expected = draw<sysdpo::cpu>();
  auto const got = draw<device>();
  REQUIRE(std::count(expected.valid.begin(), expected.valid.end(), true) > 0);
  REQUIRE(got.valid == expected.valid);
  for (std::size_t i = 0; i < expected.valid.size(); ++i) {
    if (!expected.valid[i]) continue;
    CHECK(sysdpo::get<writer>(got.values[i]) == sysdpo::get<writer>(expected.values[i]));
    auto const image = sysdpo::get<panel<1>>(got.values[i]).values();
    auto const drawn = sysdpo::get<panel<1>>(expected.values[i]).values();
    for (std::size_t k = 0; k < image.size(); ++k) CHECK(image[k] == Approx(drawn[k]).margin(1e-3));
  }
}
