#include "sysdpo/op/upsample.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/upsample.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("upsample has the gradients of finite differences", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::upsample(tape, in[0]); },
                        {random_tensor({2, 3, 2, 5}, 1)});
}

TEST_CASE("upsample repeats every pixel four times", "[op]") {
  auto const x = random_tensor({2, 3, 4, 5}, 1);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::upsample(tape, tape.constant(x)).value();
  for (index_t n = 0; n < 2; ++n)
    for (index_t h = 0; h < 6; ++h)
      for (index_t w = 0; w < 8; ++w)
        for (index_t c = 0; c < 5; ++c)
          REQUIRE(y.data()[((n * 6 + h) * 8 + w) * 5 + c] == x.data()[((n * 3 + h / 2) * 4 + w / 2) * 5 + c]);
}

TEST_CASE("upsample wants images", "[op]") {
  test::tape tape;
  REQUIRE_THROWS_WITH(sysdpo::upsample(tape, tape.constant(random_tensor({2, 5}, 1))),
                      Catch::Contains("[2, 5]"));
}
