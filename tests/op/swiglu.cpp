#include "sysdpo/op/swiglu.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/swiglu.hpp"

using test::random_tensor;

TEST_CASE("swiglu agrees with its definition and its finite differences", "[op]") {
  auto const gate = random_tensor({7, 3}, 1, 3.0);
  auto const up = random_tensor({7, 3}, 2);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::swiglu(tape, tape.constant(gate), tape.constant(up)).value();
  for (sysdpo::index_t i = 0; i < y.size(); ++i)
    REQUIRE(y.data()[i] == Approx(gate.data()[i] / (1 + std::exp(-gate.data()[i])) * up.data()[i]));
  test::check_gradients([](auto& t, auto const& in) { return sysdpo::swiglu(t, in[0], in[1]); }, {gate, up});
  test::check_gradients([](auto& t, auto const& in) { return sysdpo::swiglu(t, in[0], in[0]); }, {gate});
  test::check_gradients([](auto& t, auto const& in) { return sysdpo::swiglu(t, in[0], in[1]); },
                        {random_tensor({600}, 3), random_tensor({600}, 4)});  // more than a block
}

TEST_CASE("swiglu is finite far from zero", "[op]") {
  auto const gate = sysdpo::tensor<sysdpo::cpu, float>::from_host({2}, std::vector<float>{-1e4F, 1e4F});
  auto const up = sysdpo::tensor<sysdpo::cpu, float>::from_host({2}, std::vector<float>{2, 2});
  sysdpo::gradient_slot<sysdpo::cpu, float> slot;
  sysdpo::tape<sysdpo::cpu, float> tape;
  auto const y = sysdpo::swiglu(tape, tape.watch(gate, slot), tape.constant(up));
  REQUIRE(y.value().data()[0] == Approx(0).margin(1e-30));
  REQUIRE(y.value().data()[1] == 2e4F);
  tape.backward(y, up);
  REQUIRE(slot.value.data()[0] == Approx(0).margin(1e-30));
  REQUIRE(slot.value.data()[1] == 4);
}

TEST_CASE("swiglu names shapes that differ", "[op]") {
  test::tape tape;
  REQUIRE_THROWS_WITH(
      sysdpo::swiglu(tape, tape.constant(random_tensor({2, 3}, 1)), tape.constant(random_tensor({3, 2}, 2))),
      Catch::Contains("[2, 3]") && Catch::Contains("[3, 2]"));
}
