#include "sysdpo/kernel/rope.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("rotary embedding turns pairs, and back", "[kernel]", float, bf16, half) {
  for (int const d : {2, 6, 32, 64, 128, 256})
    for (auto const& how : test::all_orders) {
      index_t const rows = 5;
      int const heads = 3;
      int const middle = d / 2;
      memory<std::int32_t> const positions(std::vector<std::int32_t>{0, 1, 2, 0, 7});
      memory<float> cosines(index_t{8} * middle), sines(index_t{8} * middle);
      for (std::size_t i = 0; i < cosines.size(); ++i) {
        cosines[i] = std::cos(0.37F * static_cast<float>(i));
        sines[i] = std::sin(0.37F * static_cast<float>(i));
      }
      auto const x = test::random_memory<TestType>(rows * heads * d, 1);
      memory<TestType> y(rows * heads * d);
      auto const turn = [&](memory<TestType> const& from, int direction, memory<TestType> const& to,
                            bool add) {
        test::run<sysdpo::kernel::rope<TestType>>(
            {from.data(), positions.data(), cosines.data(), sines.data(), rows, 8, heads, d, direction,
             to.data(), add},
            how);
      };
      turn(x, 1, y, false);
      double const unit = 2 * test::rounding<TestType> + 1e-6;
      for (std::size_t n = 0; n < 15; ++n)
        for (std::size_t i = 0; i < static_cast<std::size_t>(middle); ++i) {
          auto const first = n * static_cast<std::size_t>(d) + i;
          auto const second = first + static_cast<std::size_t>(middle);
          auto const angle = static_cast<std::size_t>(positions[n / 3] * middle) + i;
          auto const c = cosines.at(angle);
          auto const s = sines.at(angle);
          REQUIRE(test::close(y.at(first), x.at(first) * c - x.at(second) * s, unit));
          REQUIRE(test::close(y.at(second), x.at(second) * c + x.at(first) * s, unit));
        }
      turn(y, -1, y, false);  // in place
      for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(test::close(y.at(i), x.at(i), 3 * unit));
    }
}

TEST_CASE("rotary embedding adds where asked", "[kernel]") {
  memory<std::int32_t> const positions(std::vector<std::int32_t>{0});
  memory<float> const cosines(std::vector<float>{0.6F}), sines(std::vector<float>{0.8F});
  memory<float> const x(std::vector<float>{1, 2}), y(std::vector<float>{10, 20});
  test::run<sysdpo::kernel::rope<float>>(
      {x.data(), positions.data(), cosines.data(), sines.data(), 1, 1, 1, 2, 1, y.data(), true});
  REQUIRE(y[0] == Approx(10 + 0.6 - 1.6));
  REQUIRE(y[1] == Approx(20 + 1.2 + 0.8));
}

TEMPLATE_TEST_CASE("positions that the table does not have give NaN", "[kernel]", float, bf16, half) {
  for (int const d : {2, 6, 32}) {
    memory<std::int32_t> const positions(
        std::vector<std::int32_t>{-1, 1, 2, std::numeric_limits<std::int32_t>::max()});
    memory<float> const cosines(std::vector<float>(static_cast<std::size_t>(d), 0.6F));
    memory<float> const sines(std::vector<float>(static_cast<std::size_t>(d), 0.8F));
    auto const x = test::random_memory<TestType>(index_t{8} * d, 1);
    memory<TestType> y(index_t{8} * d);
    test::run<sysdpo::kernel::rope<TestType>>(
        {x.data(), positions.data(), cosines.data(), sines.data(), 4, 2, 2, d, 1, y.data(), false});
    for (std::size_t i = 0; i < y.size(); ++i)
      REQUIRE(std::isnan(y.at(i)) == (i / static_cast<std::size_t>(2 * d) != 1));
  }
}
