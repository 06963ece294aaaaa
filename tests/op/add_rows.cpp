#include "sysdpo/op/add_rows.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/add_rows.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("add_rows has the gradients of finite differences", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::add_rows(tape, in[0], in[1]); },
                        {random_tensor({2, 3, 2, 5}, 1), random_tensor({2, 5}, 2)});
}

TEST_CASE("add_rows adds an image's row at all its pixels", "[op]") {
  auto const x = random_tensor({2, 3, 4}, 1);
  auto const rows = random_tensor({2, 4}, 2);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::add_rows(tape, tape.constant(x), tape.constant(rows)).value();
  for (index_t n = 0; n < 2; ++n)
    for (index_t p = 0; p < 3; ++p)
      for (index_t c = 0; c < 4; ++c)
        REQUIRE(y.data()[(n * 3 + p) * 4 + c] == x.data()[(n * 3 + p) * 4 + c] + rows.data()[n * 4 + c]);
}

TEST_CASE("add_rows wants a row an image", "[op]") {
  test::tape tape;
  REQUIRE_THROWS_WITH(sysdpo::add_rows(tape, tape.constant(random_tensor({2, 3, 4}, 1)),
                                       tape.constant(random_tensor({3, 4}, 1))),
                      Catch::Contains("rows [3, 4]"));
}
