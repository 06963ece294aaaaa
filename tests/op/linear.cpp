#include "sysdpo/op/linear.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/linear.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/scale.hpp"

using test::random_tensor;

TEST_CASE("linear has the gradients of finite differences", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::linear(tape, in[0], in[1], in[2]); },
                        {random_tensor({5, 3}, 1), random_tensor({4, 3}, 2), random_tensor({4}, 3)});
}

TEST_CASE("linear agrees with a triple loop, split over threads too", "[op]") {
  using sysdpo::index_t;
  index_t const n = 130;
  index_t const k = 70;
  index_t const m = 90;
  auto const x = random_tensor({n, k}, 1);
  auto const w = random_tensor({m, k}, 2);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::linear(tape, tape.constant(x), tape.constant(w)).value();
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < m; ++j) {
      double sum = 0;
      for (index_t p = 0; p < k; ++p) sum += x.data()[i * k + p] * w.data()[j * k + p];
      REQUIRE(y.data()[i * m + j] == Approx(sum).margin(1e-12));
    }
}

TEST_CASE("linear names the shapes that do not fit", "[op]") {
  test::tape tape;
  auto const x = tape.constant(random_tensor({2, 3}, 1));
  auto const w = tape.constant(random_tensor({4, 5}, 2));
  REQUIRE_THROWS_WITH(sysdpo::linear(tape, x, w), Catch::Contains("[2, 3]") && Catch::Contains("[4, 5]"));
}

TEST_CASE("add passes its gradient to both operands, and twice to one used twice", "[op]") {
  test::check_gradients(
      [](auto& tape, auto const& in) { return sysdpo::add(tape, sysdpo::add(tape, in[0], in[1]), in[0]); },
      {random_tensor({3, 2}, 1), random_tensor({3, 2}, 2)});
}

TEST_CASE("scale multiplies and so does its gradient", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::scale(tape, in[0], -2.5); },
                        {random_tensor({3, 2}, 1)});
  test::tape tape;
  REQUIRE(sysdpo::scale(tape, tape.constant(random_tensor({1}, 1)), 3).value().data()[0] ==
          Approx(3 * random_tensor({1}, 1).data()[0]));
}
