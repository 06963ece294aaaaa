#include "sysdpo/op/timestep_embedding.hpp"

#include "support/catch.hpp"
#include "sysdpo/backend/cpu/timestep_embedding.hpp"

TEST_CASE("the timestep embedding is cosines, then sines, of falling frequencies", "[op]") {
  using steps = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
  auto const y =
      sysdpo::timestep_embedding<double>(steps::from_host({3}, std::vector<std::int32_t>{0, 1, 900}), 4);
  REQUIRE(y.extents() == sysdpo::shape{3, 4});
  double const expected[] = {1,
                             1,
                             0,
                             0,
                             0.5403023059,
                             0.9999500004,
                             0.8414709848,
                             0.0099998333,
                             std::cos(900.0),
                             std::cos(9.0),
                             std::sin(900.0),
                             std::sin(9.0)};
  for (int i = 0; i < 12; ++i) REQUIRE(y.data()[i] == Approx(expected[i]).margin(1e-9));
  REQUIRE_THROWS_WITH(sysdpo::timestep_embedding<double>(steps({1}), 5), Catch::Contains("5"));
}
