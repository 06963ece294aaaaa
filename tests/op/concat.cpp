#include "sysdpo/op/concat.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/concat.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("concat sends each operand its side of the gradient", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::concat(tape, in[0], in[1]); },
                        {random_tensor({2, 3, 4}, 1), random_tensor({2, 3, 5}, 2)});
}

TEST_CASE("concat of a variable with itself adds both sides", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::concat(tape, in[0], in[0]); },
                        {random_tensor({2, 3, 4}, 1)});
}

TEST_CASE("concat puts rows side by side", "[op]") {
  auto const a = random_tensor({3, 2}, 1);
  auto const b = random_tensor({3, 1}, 2);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::concat(tape, tape.constant(a), tape.constant(b)).value();
  REQUIRE(y.extents() == sysdpo::shape{3, 3});
  for (index_t row = 0; row < 3; ++row) {
    REQUIRE(y.data()[row * 3] == a.data()[row * 2]);
    REQUIRE(y.data()[row * 3 + 1] == a.data()[row * 2 + 1]);
    REQUIRE(y.data()[row * 3 + 2] == b.data()[row]);
  }
}

TEST_CASE("concat names outer extents that differ", "[op]") {
  test::tape tape;
  auto const a = tape.constant(random_tensor({3, 2}, 1));
  REQUIRE_THROWS_WITH(sysdpo::concat(tape, a, tape.constant(random_tensor({2, 2}, 1))),
                      Catch::Contains("[2, 2]"));
  REQUIRE_THROWS_WITH(sysdpo::concat(tape, a, tape.constant(random_tensor({1, 3, 2}, 1))),
                      Catch::Contains("[1, 3, 2]"));
}
