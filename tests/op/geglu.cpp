#include "sysdpo/op/geglu.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/geglu.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("geglu has the gradients of finite differences", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::geglu(tape, in[0]); },
                        {random_tensor({3, 26}, 1, 2.0)});
}

TEST_CASE("geglu gates with the exact normal distribution function", "[op]") {
  auto const x = random_tensor<float>({4, 3, 600}, 1, 3.0);
  sysdpo::tape<sysdpo::cpu, float> tape(sysdpo::recording::off);
  auto const y = sysdpo::geglu(tape, tape.constant(x)).value();
  REQUIRE(y.extents() == sysdpo::shape{4, 3, 300});
  for (index_t row = 0; row < 12; ++row)
    for (index_t i = 0; i < 300; ++i) {
      double const value = x.data()[row * 600 + i];
      double const gate = x.data()[row * 600 + 300 + i];
      REQUIRE(y.data()[row * 300 + i] ==
              Approx(value * gate * 0.5 * std::erfc(-gate / std::sqrt(2.0))).margin(1e-5));
    }
}

TEST_CASE("geglu refuses an odd width", "[op]") {
  test::tape tape;
  REQUIRE_THROWS_WITH(sysdpo::geglu(tape, tape.constant(random_tensor({2, 5}, 1))),
                      Catch::Contains("[2, 5]"));
}
