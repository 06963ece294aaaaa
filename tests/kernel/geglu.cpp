#include "sysdpo/kernel/geglu.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("GEGLU and its gradient agree with their definition", "[kernel]", float, bf16, half) {
  for (int const width : {1, 7, 16, 33, 129, 640})
    for (bool const accumulate : {false, true})
      for (auto const& how : test::all_orders) {
        index_t const rows = 3;
        auto const x = test::random_memory<TestType>(rows * 2 * width, 1, 2);
        auto const dy = test::random_memory<TestType>(rows * width, 2);
        memory<TestType> y(rows * width);
        auto dx = test::random_memory<TestType>(rows * 2 * width, 3);
        auto const before = dx;
        test::run<sysdpo::kernel::geglu<TestType>>({x.data(), rows, width, y.data()}, how);
        test::run<sysdpo::kernel::geglu_backward<TestType>>(
            {x.data(), dy.data(), rows, width, dx.data(), accumulate}, how);
        double const unit = 2 * test::rounding<TestType> + 1e-6;
        auto const w = static_cast<std::size_t>(width);
        for (std::size_t r = 0; r < 3; ++r)
          for (std::size_t i = 0; i < w; ++i) {
            auto const value = x.at(2 * r * w + i);
            auto const gate = x.at((2 * r + 1) * w + i);
            auto const phi = 0.5 * std::erfc(-gate / std::sqrt(2.0));
            auto const density = std::exp(-gate * gate / 2) / std::sqrt(2 * std::acos(-1.0));
            auto const upstream = dy.at(r * w + i);
            auto const old = [&](std::size_t at) { return accumulate ? before.at(at) : 0; };
            REQUIRE(test::close(y.at(r * w + i), value * gate * phi, unit));
            REQUIRE(test::close(dx.at(2 * r * w + i), old(2 * r * w + i) + upstream * gate * phi, 2 * unit));
            REQUIRE(test::close(dx.at((2 * r + 1) * w + i),
                                old((2 * r + 1) * w + i) + upstream * value * (phi + gate * density),
                                2 * unit));
          }
      }
}
