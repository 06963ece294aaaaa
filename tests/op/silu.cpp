#include "sysdpo/op/silu.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/silu.hpp"

using test::random_tensor;

TEST_CASE("silu has the gradients of finite differences", "[op]") {
  test::check_gradients([](auto& tape, auto const& in) { return sysdpo::silu(tape, in[0]); },
                        {random_tensor({7, 41}, 1, 3.0)});
}

TEST_CASE("silu is x times its sigmoid, far out too", "[op]") {
  auto const x = sysdpo::tensor<sysdpo::cpu, float>::from_host(
      {5}, std::vector<float>{-200.0F, -1.0F, 0.0F, 2.0F, 200.0F});
  sysdpo::gradient_slot<sysdpo::cpu, float> slot;
  sysdpo::tape<sysdpo::cpu, float> tape;
  auto const y = sysdpo::silu(tape, tape.watch(x, slot));
  auto const value = y.value();
  REQUIRE(value.data()[0] == Approx(0).margin(1e-6));
  REQUIRE(value.data()[1] == Approx(-0.26894142));
  REQUIRE(value.data()[2] == 0.0F);
  REQUIRE(value.data()[3] == Approx(1.76159416));
  REQUIRE(value.data()[4] == Approx(200));
  tape.backward(y, sysdpo::tensor<sysdpo::cpu, float>::from_host({5}, std::vector<float>(5, 1.0F)));
  REQUIRE(slot.value.data()[0] == Approx(0).margin(1e-6));
  REQUIRE(slot.value.data()[2] == Approx(0.5));
  REQUIRE(slot.value.data()[4] == Approx(1));
}
