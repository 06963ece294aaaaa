#include "sysdpo/tensor/tape.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/core/scalar.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/scale.hpp"

using test::random_tensor;
using slot = sysdpo::gradient_slot<sysdpo::cpu, double>;

TEST_CASE("a leaf used twice collects both contributions, and keeps adding over tapes", "[tensor]") {
  auto const x = random_tensor({3}, 1);
  auto const upstream = random_tensor({3}, 2);
  slot gradient;
  for (int pass = 1; pass <= 2; ++pass) {
    test::tape tape;
    auto const leaf = tape.watch(x, gradient);
    tape.backward(sysdpo::add(tape, leaf, sysdpo::scale(tape, leaf, 3)), upstream);
    for (int i = 0; i < 3; ++i) REQUIRE(gradient.value.data()[i] == Approx(pass * 4 * upstream.data()[i]));
  }
  gradient.clear();
  test::tape tape;
  tape.backward(sysdpo::scale(tape, tape.watch(x, gradient), 2), upstream);
  REQUIRE(gradient.value.data()[0] == 2 * upstream.data()[0]);
}

TEST_CASE("a leaf that is the root adds to its slot like any other", "[tensor]") {
  slot gradient;
  auto const x = random_tensor({2}, 1);
  auto const upstream = random_tensor({2}, 2);
  for (int pass = 0; pass < 2; ++pass) {
    test::tape tape;
    tape.backward(tape.watch(x, gradient), upstream);
  }
  REQUIRE(gradient.value.data()[1] == 2 * upstream.data()[1]);
}

TEST_CASE("a tape that does not record keeps nothing and gives no gradient", "[tensor]") {
  slot gradient;
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::scale(tape, tape.watch(random_tensor({2}, 1), gradient), 2);
  REQUIRE_FALSE(y.wants_gradient());
  tape.backward(y, random_tensor({2}, 2));
  REQUIRE_FALSE(gradient.filled);
}

TEST_CASE("frozen parameters own no gradient", "[tensor]") {
  sysdpo::parameter<sysdpo::cpu, sysdpo::precision<double>> weight{"w", random_tensor({2}, 1)};
  weight.trainable = false;
  test::tape tape;
  tape.backward(sysdpo::scale(tape, tape.watch(weight), 2), random_tensor({2}, 2));
  REQUIRE_FALSE(static_cast<bool>(weight.gradient.value));
}

TEST_CASE("weights stored in sixteen bits are computed with in thirty-two", "[tensor]") {
  using precision = sysdpo::precision<sysdpo::bf16, float>;
  sysdpo::parameter<sysdpo::cpu, precision> weight{"w", sysdpo::tensor<sysdpo::cpu, sysdpo::bf16>({2})};
  weight.value.data()[0] = sysdpo::bf16(1.5F);
  weight.value.data()[1] = sysdpo::bf16(-2.0F);
  sysdpo::tape<sysdpo::cpu, float> tape;
  auto const y = sysdpo::scale(tape, tape.watch(weight), 2);
  REQUIRE(y.value().to_host() == std::vector<float>{3, -4});
  tape.backward(y, sysdpo::tensor<sysdpo::cpu, float>::from_host({2}, std::vector<float>{1, 1}));
  REQUIRE(weight.gradient.value.to_host() == std::vector<float>{2, 2});
}

TEST_CASE("a seed of the wrong shape is refused with both shapes", "[tensor]") {
  slot gradient;
  test::tape tape;
  auto const y = sysdpo::scale(tape, tape.watch(random_tensor({2}, 1), gradient), 2);
  REQUIRE_THROWS_WITH(tape.backward(y, random_tensor({3}, 2)),
                      Catch::Contains("[3]") && Catch::Contains("[2]"));
}

TEST_CASE("a warm tape takes no memory from the system", "[tensor]") {
  slot gradient;
  auto const x = random_tensor({100, 7}, 1);
  auto const upstream = random_tensor({100, 7}, 2);
  test::tape tape;
  auto const step = [&] {
    auto y = tape.watch(x, gradient);
    for (int i = 0; i < 50; ++i) y = sysdpo::add(tape, y, sysdpo::scale(tape, y, 0.1));
    tape.backward(y, upstream);
  };
  for (int i = 0; i < 2; ++i) step();  // the second finds the gradient's memory taken
  auto const before = sysdpo::cpu::memory().system_allocations();
  step();
  REQUIRE(sysdpo::cpu::memory().system_allocations() == before);
}
