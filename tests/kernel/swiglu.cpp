#include "sysdpo/kernel/swiglu.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("SwiGLU and its gradients agree with their definition", "[kernel]", float, bf16, half) {
  for (int const size : {0, 1, 7, 33, 129, 3000})
    for (index_t const shift : {0, 1})
      for (auto const& how : test::all_orders) {
        auto gate = test::random_memory<TestType>(size, 1, 3, shift);
        auto const up = test::random_memory<TestType>(size, 2, 1, shift);
        auto const dy = test::random_memory<TestType>(size, 3, 1, shift);
        if (size > 10) {
          gate[3] = TestType(-1e4F);
          gate[4] = TestType(1e4F);
        }
        memory<TestType> y(size), dgate(size);
        auto dup = test::random_memory<TestType>(size, 4);
        auto const before = dup;
        test::run<sysdpo::kernel::swiglu<TestType>>({gate.data(), up.data(), size, y.data()}, how);
        test::run<sysdpo::kernel::swiglu_backward<TestType>>(
            {gate.data(), up.data(), dy.data(), size, dgate.data(), dup.data(), false, true}, how);
        double const unit = 2 * test::rounding<TestType> + 1e-6;
        for (std::size_t i = 0; i < y.size(); ++i) {
          auto const g = gate.at(i);
          auto const s = 1 / (1 + std::exp(-g));
          REQUIRE(test::close(y.at(i), g * s * up.at(i), unit));
          REQUIRE(test::close(dgate.at(i), dy.at(i) * up.at(i) * s * (1 + g * (1 - s)), unit));
          REQUIRE(test::close(dup.at(i), before.at(i) + dy.at(i) * g * s, 2 * unit));
        }
      }
}

TEST_CASE("SwiGLU leaves out what nobody wants", "[kernel]") {
  auto const x = test::random_memory<float>(40, 1);
  memory<float> dgate(40), dup(40), alone(40);
  auto const run = [&](float* to_gate, float* to_up) {
    test::run<sysdpo::kernel::swiglu_backward<float>>(
        {x.data(), x.data(), x.data(), 40, to_gate, to_up, false, false});
  };
  run(dgate.data(), dup.data());
  run(alone.data(), nullptr);
  REQUIRE(alone == dgate);
  run(nullptr, alone.data());
  REQUIRE(alone == dup);
}
