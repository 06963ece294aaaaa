#include "sysdpo/op/rms_norm.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/rms_norm.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("rms_norm agrees with its definition and its finite differences", "[op]") {
  auto const x = random_tensor({3, 2, 5}, 1, 2.0);
  auto const gamma = random_tensor({5}, 2);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::rms_norm(tape, tape.constant(x), tape.constant(gamma), 0.1).value();
  for (index_t n = 0; n < 6; ++n) {
    double square = 0;
    for (index_t c = 0; c < 5; ++c) square += x.data()[n * 5 + c] * x.data()[n * 5 + c] / 5;
    for (index_t c = 0; c < 5; ++c)
      REQUIRE(y.data()[n * 5 + c] == Approx(x.data()[n * 5 + c] / std::sqrt(square + 0.1) * gamma.data()[c]));
  }
  test::check_gradients([](auto& t, auto const& in) { return sysdpo::rms_norm(t, in[0], in[1], 0.1); },
                        {x, gamma});
}

TEST_CASE("rms_norm's gradients do not depend on the cut over threads", "[op]") {
  auto const x = random_tensor({3000, 16}, 1);
  auto const gamma = random_tensor({16}, 2);
  auto const gradient = [&](int threads) {
    auto const before = sysdpo::cpu_threads();
    sysdpo::set_cpu_threads(threads);
    sysdpo::gradient_slot<sysdpo::cpu, double> slot;
    test::tape tape;
    tape.backward(sysdpo::rms_norm(tape, tape.constant(x), tape.watch(gamma, slot)),
                  random_tensor({3000, 16}, 3));
    sysdpo::set_cpu_threads(before);
    return slot.value.to_host();
  };
  auto const one = gradient(1);
  auto const three = gradient(3);
  for (std::size_t i = 0; i < one.size(); ++i)
    REQUIRE(one[i] == Approx(three[i]).epsilon(1e-12).margin(1e-12));
}

TEST_CASE("rms_norm names widths that differ", "[op]") {
  test::tape tape;
  REQUIRE_THROWS_WITH(
      sysdpo::rms_norm(tape, tape.constant(random_tensor({2, 3}, 1)), tape.constant(random_tensor({4}, 2))),
      Catch::Contains("[2, 3]") && Catch::Contains("[4]"));
}
