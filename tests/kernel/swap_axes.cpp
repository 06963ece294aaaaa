#include "sysdpo/kernel/swap_axes.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("two axes change places, and back", "[kernel]", float, bf16, half) {
  for (index_t const outer : {0, 1, 5})
    for (auto const& [a, b] : {std::pair{1, 1}, {7, 9}, {33, 9}, {129, 1}, {1, 16}})
      for (auto const& how : test::all_orders) {
        auto const x = test::random_memory<TestType>(outer * a * b, 1, 1, 1);
        memory<TestType> const y(outer * a * b), sum(x);
        test::run<sysdpo::kernel::swap_axes<TestType>>({x.data(), outer, a, b, y.data(), false}, how);
        test::run<sysdpo::kernel::swap_axes<TestType>>({y.data(), outer, b, a, sum.data(), true}, how);
        auto const rows = static_cast<std::size_t>(a);
        auto const columns = static_cast<std::size_t>(b);
        for (std::size_t i = 0; i < y.size(); ++i) {
          auto const n = i / (rows * columns);
          auto const j = i / rows % columns;
          REQUIRE(y.at(i) == x.at((n * rows + i % rows) * columns + j));
          REQUIRE(sum.at(i) == 2 * x.at(i));
        }
      }
}
